"""Text as the full-text index sees it, and a search as a question to that index.

SQLite's tokenizer takes a run of Chinese characters for one word. So each of them is set
apart, and a search for several is one for that phrase: one character is found as well as a
sentence, and English by the beginning of a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")
_APART = re.compile(rf"([{_WIDE}])")


def searchable(text: str) -> str:
    """What of ``text`` goes into the index."""
    return _APART.sub(r" \1 ", text)


def question(search: str) -> str:
    """In FTS5's words: all of the terms, each a phrase, its last word a beginning. Empty:
    there is nothing to look for."""
    phrases = (_TOKEN.findall(term) for term in search.split())
    return " ".join(_phrase(tokens) for tokens in phrases if tokens)


def _phrase(tokens: list[str]) -> str:
    return f'"{" ".join(tokens)}" *'


def first_hit(text: str, search: str) -> tuple[int, int] | None:
    """Where ``text`` shows what was looked for: start and end of the first term in it."""
    found = (pattern.search(text) for pattern in _patterns(search))
    spans = [hit.span() for hit in found if hit]
    return min(spans, default=None)


def _patterns(search: str) -> Iterator[re.Pattern[str]]:
    for term in search.split():
        if tokens := _TOKEN.findall(term):
            between = r"[\W_]*"
            begins = "" if re.match(rf"[{_WIDE}]", tokens[0]) else r"(?<![^\W_])"
            yield re.compile(begins + between.join(map(re.escape, tokens)), re.IGNORECASE)
