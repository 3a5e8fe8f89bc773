"""How a core becomes a question: what people put before it, after it, and how they type.

A *phrasing* is a core with a frame; its id is hashed to decide whether it is held out.
Case and punctuation vary freely and are not part of the id.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from chatapp.training.dialogues.facts import Row

FRAMES: dict[tuple[str, bool], tuple[str, ...]] = {
    ("zh", True): (
        "{}", "请问{}", "请问，{}", "我想知道{}", "问一下，{}", "你好，{}", "那么{}",
        "告诉我，{}", "小鹰，{}",
        "想请教一下，{}", "再问一个：{}",
        "你好！\n{}", "我的问题：\n{}",
    ),
    ("zh", False): (
        "{}", "请{}", "请你{}", "帮我{}", "你能{}吗？", "麻烦你{}", "你好，请{}", "可以{}吗？",
        "现在{}", "那就{}",
        "你好！\n{}", "请帮个忙：\n{}",
    ),
    ("en", True): (
        "{}", "Please tell me: {}", "Hi, {}", "Tell me, {}", "Quick question: {}", "I wonder: {}",
        "And {}",
        "OK, {}", "Hello, {}", "One more question: {}", "So {}",
        "Hello!\n{}", "My question:\n{}",
    ),
    ("en", False): (
        "{}", "Please {}", "Could you {}?", "Can you {}?", "Now {}", "Please, {}",
        "Would you {}?", "OK, {}",
        "I want you to {}", "Hi, {}",
        "Hello!\n{}", "A task for you:\n{}",
    ),
}  # fmt: skip
#: Frames that end like this leave the capital letter of what follows.
CAPITAL_AFTER = ("me: {}", "Quick question: {}", "\n{}")
#: For small talk and orders, which a polite frame does not suit.
SOFT_FRAMES = {
    "zh": ("{}", "小鹰，{}", "嗯，{}", "鹰聊，{}", "那个，{}", "哎，{}", "小鹰！\n{}"),
    "en": ("{}", "Eagle, {}", "Well, {}", "Hey eagle, {}", "Um, {}", "Oh, {}", "Eagle!\n{}"),
}
ENDINGS = {
    ("zh", True): ("？", "？", "？", "?", "", "呢？", "？谢谢"),
    ("zh", False): ("", "", "。", "，谢谢"),
    ("en", True): ("?", "?", "?", "", "??", "? Thanks"),
    ("en", False): ("", "", ".", ", please", ", thanks"),
}
#: Asks for the answer in the other language, by the language of the question.
SWITCHES = {
    "zh": ("请用英文回答：{}", "用英语回答：{}", "{}请用英文回答。", "{}（用英文回答）"),
    "en": (
        "Answer in Chinese: {}", "Please answer in Chinese: {}", "{} Answer in Chinese.",
        "In Chinese, please: {}",
    ),
}  # fmt: skip
#: Asks for the reply before once more, in the other or in the same language.
AGAIN_OTHER = {
    "zh": (
        "用英文再说一遍", "请用英文再说一遍", "用英语怎么说？", "换成英文", "英文呢？", "说英文",
    ),
    "en": (
        "Say that in Chinese", "In Chinese, please", "And in Chinese?", "Now in Chinese",
        "Repeat that in Chinese", "Please say it in Chinese",
    ),
}  # fmt: skip
AGAIN = {
    "zh": ("再说一遍", "请再说一遍", "没听清，再说一次", "重复一下刚才的回答", "再来一遍"),
    "en": (
        "Say that again", "Again, please", "Please repeat that", "Once more, please",
        "Repeat your answer",
    ),
}  # fmt: skip
HELD_OUT_PHRASINGS, HELD_OUT_VALUES = 0.12, 0.10
DERIVED = ("_a", "_A", "_cap")


@dataclass(frozen=True)
class Phrased:
    """A question as typed, and the id of its phrasing."""

    text: str
    phrasing: str
    switched: bool


def share(key: str) -> float:
    """A key's fixed place between 0 and 1, the same on every machine."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def phrasing_held_out(phrasing: str) -> bool:
    return share("phrasing " + phrasing) < HELD_OUT_PHRASINGS


def value_held_out(topic: str, value: str) -> bool:
    return share(f"value {topic} {value}") < HELD_OUT_VALUES


def value_key(row: Row) -> str:
    """What a row is about, the same in both languages."""
    return "|".join(word for slot, word in sorted(row.items()) if not slot.endswith(DERIVED))


def lower_first(text: str) -> str:
    """For use inside a sentence; "I" and names in capitals stay."""
    head = text.split(" ", 1)[0]
    keep = head in ("I", "I'm") or head[1:] != head[1:].lower()
    return text if keep else text[:1].lower() + text[1:]


def phrase(
    rng: random.Random, language: str, core: str, row: Row, key: str, soft: bool, switch: bool
) -> Phrased:
    """``core`` filled with ``row``, framed and typed; ``soft`` says with which frames."""
    asks = core.rstrip().endswith(("？", "?"))
    body = core.format_map(row).rstrip("？?")
    frames = SOFT_FRAMES[language] if soft else FRAMES[language, asks]
    frame = 0 if rng.random() < 0.35 else rng.randrange(len(frames))
    inner = body
    if language == "en" and frame and not frames[frame].endswith(CAPITAL_AFTER):
        inner = lower_first(body)
    text = frames[frame].format(inner)
    if text.endswith(("？", "?")):
        typed = text
    else:
        typed = text + rng.choice(ENDINGS[language, asks])
    if language == "en" and rng.random() < 0.15:
        typed = typed.lower()
    phrasing = f"{key}/{frame}"
    if switch:
        number = rng.randrange(len(SWITCHES[language]))
        phrasing += f"/switch{number}"
        typed = SWITCHES[language][number].format(typed)
    return Phrased(typed, phrasing, switch)
