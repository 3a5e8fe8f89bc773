"""Conversations from a file into the store: all of them or none, and none twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chatapp.chat.brought import BroughtConversation, BroughtMessage, read
from chatapp.chat.store import Store, column
from chatapp.chat.traces import document
from chatapp.errors import InputError

_COLUMNS = (
    *("role", "text", "state", "created", "language", "figures", "finish_reason"),
    *("error", "error_values", "kind", "choice"),
)


@dataclass(frozen=True, slots=True)
class Brought:
    """How many conversations came, and how many were there already."""

    new: int
    known: int


def bring(store: Store, path: Path) -> Brought:
    """Raises InputError with the place where the file is broken, before anything is written;
    StoreError when it cannot be written."""
    conversations = read(_json(path))
    with store.write() as db:
        new = sum(_add(db, conversation) for conversation in conversations)
    return Brought(new, len(conversations) - new)


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError("import_unreadable", path=path, reason=error) from error
    except ValueError as error:
        raise InputError("import_broken", place=path.name, reason=error) from error


def _add(db: sqlite3.Connection, conversation: BroughtConversation) -> bool:
    if _there(db, conversation):
        return False
    made = db.execute(
        "INSERT INTO conversation (title, speculation, created, updated, mode)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            conversation.title,
            conversation.mode.value != "off",
            conversation.created,
            conversation.updated,
            conversation.mode.value,
        ),
    )
    number = int(made.lastrowid or 0)
    db.execute("INSERT INTO brought VALUES (?, ?)", (conversation.key, number))
    _add_messages(db, number, conversation.messages)
    return True


def _add_messages(
    db: sqlite3.Connection, conversation: int, messages: Iterable[BroughtMessage]
) -> None:
    names = ", ".join(("conversation_id", *_COLUMNS))
    places = ", ".join("?" * (1 + len(_COLUMNS)))
    for brought in messages:
        values = [column(getattr(brought.message, name)) for name in _COLUMNS]
        added = db.execute(
            f"INSERT INTO message ({names}) VALUES ({places})", (conversation, *values)
        )
        if brought.trace is not None:
            kept = json.dumps(document(brought.trace))
            db.execute("INSERT INTO trace VALUES (?, ?)", (added.lastrowid, kept))


def _there(db: sqlite3.Connection, conversation: BroughtConversation) -> bool:
    """Brought before, or one of this store that was taken along and comes back."""
    if db.execute("SELECT 1 FROM brought WHERE key = ?", (conversation.key,)).fetchone():
        return True
    said = [one.message.text for one in conversation.messages]
    same = db.execute("SELECT id FROM conversation WHERE created = ?", (conversation.created,))
    return any(_texts(db, int(row["id"])) == said for row in same.fetchall())


def _texts(db: sqlite3.Connection, conversation: int) -> list[str]:
    rows = db.execute(
        "SELECT text FROM message WHERE conversation_id = ? ORDER BY id", (conversation,)
    )
    return [row["text"] for row in rows]
