"""Conversations, messages and preferences on disk. The only room that knows SQL: beside
this module, ``traces`` and ``comparisons`` keep tables of their own in the same file.

One SQLite file in WAL mode, safe to use from any thread. What a method was given is on
the disk when it returns (``synchronous=FULL``: in WAL mode anything less may lose the
last message when the power goes). A write that is not *durable* is with the system
instead: it outlives the app, however that dies, and the power's failure from the next
durable write on; it takes 0.05 ms where a durable one waits some ms for the disk. Every
failure is a StoreError.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any

from chatapp.chat.full_text import searchable
from chatapp.chat.migrations import migrate, newest
from chatapp.domain import (
    AutoChoice,
    Conversation,
    Message,
    MessageState,
    ReplyMetrics,
    Role,
    SpeculationMode,
)
from chatapp.errors import ProductError, StoreError
from chatapp.measure.json_form import tuples
from chatapp.private import private_folder

_FIELDS = (
    *("text", "state", "language", "figures", "finish_reason", "error", "error_values"),
    *("kind", "choice"),
)


class Store:
    """Opening it creates or migrates the file, and settles what a crash left behind:
    replies that were streaming become stopped with their text; waiting ones stay waiting.
    ``settle`` False: an app may be writing them at this moment."""

    def __init__(self, path: Path, settle: bool = True) -> None:
        self.path = path
        self._lock = threading.RLock()
        with _failures(path):
            private_folder(path.parent)
            path.touch(mode=0o600)
            self._db = _open(path)
        if settle:
            with self.write() as db:
                db.execute("UPDATE message SET state = 'stopped' WHERE state = 'streaming'")
        rows = self.read("SELECT key, value FROM preference")
        self._preferences = {row["key"]: json.loads(row["value"]) for row in rows}

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def conversations(self) -> list[Conversation]:
        """All of them, the last used first."""
        rows = self.read("SELECT * FROM conversation ORDER BY updated DESC, id DESC")
        return [_conversation(row) for row in rows]

    def conversation(self, conversation_id: int) -> Conversation:
        rows = self.read("SELECT * FROM conversation WHERE id = ?", conversation_id)
        if not rows:
            raise StoreError("store_no_conversation")
        return _conversation(rows[0])

    def create_conversation(self, title: str, speculation: bool = True) -> Conversation:
        now = time.time()
        with self.write() as db:
            made = db.execute(
                "INSERT INTO conversation (title, speculation, created, updated)"
                " VALUES (?, ?, ?, ?)",
                (title, speculation, now, now),
            )
        mode = SpeculationMode.ON if speculation else SpeculationMode.OFF
        number = int(made.lastrowid or 0)
        if not speculation:
            self.set_mode(number, mode)
        return Conversation(number, title, speculation, now, now, mode)

    def rename(self, conversation_id: int, title: str) -> None:
        self._change("UPDATE conversation SET title = ? WHERE id = ?", title, conversation_id)

    def set_speculation(self, conversation_id: int, speculation: bool) -> None:
        """Turns the toggle on or off."""
        mode = SpeculationMode.ON if speculation else SpeculationMode.OFF
        self.set_mode(conversation_id, mode)

    def set_mode(self, conversation_id: int, mode: SpeculationMode) -> None:
        """Turns the toggle; with AUTO speculation stays as it is until a reply chooses."""
        self._change(
            "UPDATE conversation SET mode = ?, speculation ="
            " CASE ? WHEN 'on' THEN 1 WHEN 'off' THEN 0 ELSE speculation END WHERE id = ?",
            mode.value,
            mode.value,
            conversation_id,
        )

    def set_choice(self, message: Message, choice: AutoChoice) -> None:
        """What *auto* chose for a reply; its conversation shows it from now on."""
        with self.write() as db:
            db.execute("UPDATE message SET choice = ? WHERE id = ?", (column(choice), message.id))
            db.execute(
                "UPDATE conversation SET speculation = ? WHERE id = ?",
                (choice.speculation, message.conversation_id),
            )

    def delete_conversation(self, conversation_id: int) -> None:
        """With all its messages. Deleting what is not there is no error."""
        with self.write() as db:
            db.execute("DELETE FROM conversation WHERE id = ?", (conversation_id,))

    def messages(self, conversation_id: int) -> list[Message]:
        rows = self.read(
            "SELECT * FROM message WHERE conversation_id = ? ORDER BY id", conversation_id
        )
        return [_message(row) for row in rows]

    def message(self, message_id: int) -> Message:
        rows = self.read("SELECT * FROM message WHERE id = ?", message_id)
        if not rows:
            raise StoreError("store_no_conversation")
        return _message(rows[0])

    def add_message(
        self,
        conversation_id: int,
        role: Role,
        text: str,
        state: MessageState = MessageState.FINISHED,
        language: str | None = None,
    ) -> Message:
        with self.write() as db:
            added = _insert(db, conversation_id, role, text, state, language)
        return added

    def add_turn(self, conversation_id: int, text: str, language: str) -> tuple[Message, Message]:
        """A user message and its waiting reply, both or neither."""
        with self.write() as db:
            user = _insert(db, conversation_id, Role.USER, text, MessageState.FINISHED, language)
            reply = _insert(db, conversation_id, Role.ASSISTANT, "", MessageState.WAITING, None)
        return user, reply

    def replace_after(self, user: Message) -> Message:
        """Whatever follows ``user`` makes room for a new waiting reply."""
        with self.write() as db:
            db.execute(
                "DELETE FROM message WHERE conversation_id = ? AND id > ?",
                (user.conversation_id, user.id),
            )
            return _insert(db, user.conversation_id, Role.ASSISTANT, "", MessageState.WAITING, None)

    def update_message(self, message_id: int, durable: bool = True, **fields: Any) -> None:
        """Set some of ``text, state, language, figures, finish_reason, error, error_values``."""
        unknown = fields.keys() - set(_FIELDS)
        if unknown:
            raise TypeError(f"a message has no {', '.join(sorted(unknown))} to update")
        columns = ", ".join(f"{name} = ?" for name in fields)
        values = [column(value) for value in fields.values()]
        sql = f"UPDATE message SET {columns} WHERE id = ?"
        self._change(sql, *values, message_id, durable=durable)

    def recent_prompts(self, limit: int) -> list[str]:
        """The newest messages of the person, each text once."""
        rows = self.read(
            "SELECT text FROM message WHERE role = 'user' GROUP BY text"
            " ORDER BY max(id) DESC LIMIT ?",
            limit,
        )
        return [row["text"] for row in rows]

    def preference(self, key: str, default: Any = None) -> Any:
        """As this store found it or set it."""
        return self._preferences.get(key, default)

    def set_preference(self, key: str, value: Any) -> None:
        """``value`` is anything that JSON can hold."""
        with self.write() as db:
            db.execute(
                "INSERT INTO preference VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, json.dumps(value)),
            )
        self._preferences[key] = value

    def read(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """For this room alone: the rows of one query."""
        with self._lock, _failures(self.path):
            return self._db.execute(sql, values).fetchall()

    def _change(self, sql: str, *values: Any, durable: bool = True) -> None:
        with self.write(durable) as db:
            if db.execute(sql, values).rowcount == 0:
                raise StoreError("store_no_conversation")

    @contextmanager
    def write(self, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """For this room alone: one transaction, whole or not at all."""
        with self._lock, _failures(self.path):
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.create_function("searchable", 1, searchable, deterministic=True)
        if db.execute("PRAGMA user_version").fetchone()[0] > newest():
            raise StoreError("store_newer", path=path)
        migrate(db)
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _failures(path: Path) -> Iterator[None]:
    """Turns what SQLite and the file system say into words."""
    try:
        yield
    except ProductError:
        raise
    except sqlite3.IntegrityError as error:
        raise StoreError("store_no_conversation") from error
    except (sqlite3.Error, OSError) as error:
        raise StoreError(_key(error), path=path, reason=error) from error


def _key(error: Exception) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_FULL") or getattr(error, "errno", None) == 28:
        return "store_full"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "store_corrupt"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "store_locked"
    return "store_failed"


def _insert(
    db: sqlite3.Connection,
    conversation_id: int,
    role: Role,
    text: str,
    state: MessageState,
    language: str | None,
) -> Message:
    now = time.time()
    added = db.execute(
        "INSERT INTO message (conversation_id, role, text, state, created, language)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (conversation_id, role.value, text, state.value, now, language),
    )
    db.execute("UPDATE conversation SET updated = ? WHERE id = ?", (now, conversation_id))
    return Message(int(added.lastrowid or 0), conversation_id, role, text, state, now, language)


def column(value: Any) -> Any:
    """As the store keeps a value of a message."""
    if isinstance(value, ReplyMetrics | AutoChoice):
        return json.dumps(asdict(value))
    if isinstance(value, dict):
        return json.dumps(value)
    return value.value if isinstance(value, StrEnum) else value


def _conversation(row: sqlite3.Row) -> Conversation:
    return Conversation(
        row["id"],
        row["title"],
        bool(row["speculation"]),
        row["created"],
        row["updated"],
        SpeculationMode(row["mode"]),
    )


def _message(row: sqlite3.Row) -> Message:
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        role=Role(row["role"]),
        text=row["text"],
        state=MessageState(row["state"]),
        created=row["created"],
        language=row["language"],
        figures=figures_from(row["figures"]),
        finish_reason=row["finish_reason"],
        error=row["error"],
        error_values=json.loads(row["error_values"]),
        kind=row["kind"],
        choice=AutoChoice(**json.loads(row["choice"])) if row["choice"] else None,
    )


def figures_from(column: str | None) -> ReplyMetrics | None:
    if column is None:
        return None
    return ReplyMetrics(**tuples(json.loads(column)))
