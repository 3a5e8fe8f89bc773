"""What a person typed: cleaned, checked, and made into a title. Pure.

Nothing is sent that the engine or the store would choke on; what cannot be sent is an
InputError, and the text stays with whoever typed it.
"""

from __future__ import annotations

import re
import unicodedata

from chatapp.errors import InputError

MAX_BYTES = 256 * 1024
TITLE_CELLS = 40

# Line feed and tab are the only control characters that a message keeps.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` without control characters; an unpaired surrogate becomes U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
    return _CONTROL.sub("", _SURROGATE.sub("\ufffd", text))


def check_message(text: str) -> str:
    """The message as it is sent. Raises InputError when it is empty or too large."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        size = len(text.encode("utf-8", "replace"))
        raise InputError("message_too_large", size_kb=-(-size // 1024), limit_kb=MAX_BYTES // 1024)
    cleaned = clean(text).strip("\n").rstrip()
    if not any(_visible(char) for char in cleaned):
        raise InputError("message_empty")
    return cleaned


def title_of(text: str) -> str:
    """The first words of ``text``, at most forty display cells wide."""
    line = " ".join(clean(text).split())
    kept, width = "", 0
    for char in line:
        width += cells(char)
        if width > TITLE_CELLS - 1:
            return _at_word(kept) + "…"
        kept += char
    return kept


def cells(char: str) -> int:
    """Columns that a character takes: two for wide ones, none for marks."""
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _at_word(text: str) -> str:
    """Cut at the last space unless that would lose more than a third."""
    head, _, tail = text.rpartition(" ")
    return head if head and len(tail) < len(text) / 3 else text


def _visible(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char) not in ("Cf", "Cc", "Zs", "Zl", "Zp")
