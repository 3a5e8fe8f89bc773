"""Search over titles and messages, the newest first."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from chatapp.chat.full_text import first_hit, question
from chatapp.chat.store import Store
from chatapp.domain import Role

_BEFORE, _AFTER = 24, 96


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of text around what was found, which is ``hit``."""

    before: str
    hit: str
    after: str


@dataclass(frozen=True, slots=True)
class Found:
    """One message, or with ``message_id`` None a conversation by its title. ``at`` in epoch
    seconds."""

    conversation_id: int
    title: str
    message_id: int | None
    role: Role | None
    snippet: Snippet
    at: float


class Search:
    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, search: str, limit: int = 50) -> list[Found]:
        """Titles first, then messages, at most ``limit`` of each."""
        asked = question(search)
        if not asked:
            return []
        titles = self._store.read(_TITLES, asked, limit)
        messages = self._store.read(_MESSAGES, asked, limit)
        return [_found(row, search) for row in (*titles, *messages)]


_TITLES = """
    SELECT id AS conversation_id, title, NULL AS message_id, NULL AS role, title AS text,
        updated AS at
    FROM conversation WHERE id IN (SELECT rowid FROM title_words WHERE title_words MATCH ?)
    ORDER BY updated DESC LIMIT ?
"""
_MESSAGES = """
    SELECT message.conversation_id, title, message.id AS message_id, role, text,
        message.created AS at
    FROM (
        SELECT rowid FROM message_words WHERE message_words MATCH ? ORDER BY rowid DESC LIMIT ?
    ) hit
    JOIN message ON message.id = hit.rowid JOIN conversation ON conversation.id = conversation_id
    ORDER BY message.id DESC
"""


def _found(row: Row, search: str) -> Found:
    return Found(
        row["conversation_id"],
        row["title"],
        row["message_id"],
        Role(row["role"]) if row["role"] else None,
        snippet(row["text"], search),
        row["at"],
    )


def snippet(text: str, search: str) -> Snippet:
    """In one line, cut on both sides."""
    start, end = first_hit(text, search) or (0, 0)
    before = _line(text[max(0, start - 4 * _BEFORE) : start])
    after = _line(text[end : end + 4 * _AFTER])
    cut = "…" if start and len(before) > _BEFORE else ""
    return Snippet(cut + before[-_BEFORE:], _line(text[start:end]), after[:_AFTER])


def _line(text: str) -> str:
    """Spaces are kept at the ends, where the hit begins."""
    return " ".join(text.replace("\n", " ").split(" "))
