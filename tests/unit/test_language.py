"""Short chat messages are what must be told apart; long texts are easy."""

from __future__ import annotations

import pytest

from chatapp.chat.language import detect

ZH = [
    "在吗",
    "早上好！",
    "嗯",
    "这段 code 为什么报错？",
    "给我讲个笑话吧",
    "Docker 和虚拟机有什么区别",
    "用 TypeScript 重写一遍",
    "把 “good night” 翻译成中文",
    "繁體字也可以嗎",
    "帮我 review 一下这个 PR",
    "？？？！",
    "`pip install` 失败了",
    "看看这个 https://example.org/some/long/path 怎么样",
]
EN = [
    "hey",
    "Good morning!",
    "no",
    "What's the weather like?",
    "for i in range(3): print(i)",
    "How do I write 谢谢 in pinyin?",
    "Say 早安 politely",
    "lol",
    "2 + 2 = ?",
    "42",
    "🙂",
    "",
]
MIXED = [
    "我觉得这个方案不错，but I am not sure whether the budget is enough，你怎么看",
    "今天我们讨论三个问题: first the schedule, then the staff, and finally 下个月的预算安排",
]


@pytest.mark.parametrize("text", ZH)
def test_chinese(text: str) -> None:
    assert detect(text) == "zh"


@pytest.mark.parametrize("text", EN)
def test_english(text: str) -> None:
    assert detect(text) == "en"


@pytest.mark.parametrize("text", MIXED)
def test_mixed(text: str) -> None:
    assert detect(text) == "mixed"


def test_code_does_not_count_beside_prose() -> None:
    code = "```python\n" + "print('hello world and more words')\n" * 20 + "```"
    assert detect(f"下面是排序的写法：\n{code}\n就这样。") == "zh"
    assert detect(code) == "en"


def test_the_same_text_always_gives_the_same_answer() -> None:
    open_case = "用 Python 打印 hello world for me"
    assert len({detect(open_case) for _ in range(20)}) == 1
