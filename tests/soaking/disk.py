"""What is on disk, read as after a crash, without settling anything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.soaking.drawn import letters


@dataclass(frozen=True)
class Turn:
    """A message as it was sent, and the letters and the state of its reply."""

    sent: str
    letters: str
    state: str


def turns(path: Path, conversation: int) -> list[Turn]:
    rows = _read(
        path,
        "SELECT role, text, state FROM message WHERE conversation_id = ? ORDER BY id",
        conversation,
    )
    found: list[Turn] = []
    for role, text, state in rows:
        if role == "user":
            found.append(Turn(text, "", "none"))
        else:
            found[-1] = Turn(found[-1].sent, letters(text), state)
    return found


def faults(path: Path) -> list[str]:
    """What SQLite finds wrong with the file; nothing where it is sound."""
    checked = [row[0] for row in _read(path, "PRAGMA integrity_check")]
    orphans = _read(path, "PRAGMA foreign_key_check")
    return [line for line in checked if line != "ok"] + [f"orphan {row}" for row in orphans]


def _read(path: Path, sql: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(path, timeout=30)) as db:
        return db.execute(sql, values).fetchall()
