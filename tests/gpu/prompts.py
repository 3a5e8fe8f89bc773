"""Forty prompts in two languages, the same for everything in the report."""

from __future__ import annotations

_ENGLISH = (
    "What is speculative decoding?",
    "Explain what a KV cache is.",
    "Tell me a short story about a lighthouse.",
    "List five animals.",
    "What is the capital of France?",
    "Write a Python function that adds two numbers.",
    "How many grams are in a kilogram?",
    "What colour is the sky?",
    "Translate 'good morning' into Chinese.",
    "What is 17 plus 25?",
    "Give me three tips for a quiet evening.",
    "Who are you?",
    "Why does bread rise?",
    "Describe the sea in two sentences.",
    "What is a draft model?",
    "Name four kinds of fruit.",
    "How do I boil an egg?",
    "What does accept length mean?",
    "Write a haiku about rain.",
    "Say hello in a friendly way.",
)
_CHINESE = (
    "什么是推测解码？",
    "解释一下什么是 KV 缓存。",
    "讲一个关于灯塔的短故事。",
    "列出五种动物。",
    "法国的首都是哪里？",
    "写一个把两个数相加的 Python 函数。",
    "一千克等于多少克？",
    "天空是什么颜色？",
    "把“早上好”翻译成英文。",
    "17 加 25 等于多少？",
    "给我三条安静过夜的建议。",
    "你是谁？",
    "面包为什么会发起来？",
    "用两句话描述大海。",
    "什么是草稿模型？",
    "说出四种水果。",
    "怎么煮鸡蛋？",
    "接受长度是什么意思？",
    "写一首关于雨的小诗。",
    "友好地打个招呼。",
)
PROMPTS = tuple(text for pair in zip(_ENGLISH, _CHINESE, strict=True) for text in pair)
