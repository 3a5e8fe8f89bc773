"""The numbered steps that bring a store to today's shape; ``PRAGMA user_version`` counts them.

A step that was released is never changed; what is new goes into a new step.
"""

from __future__ import annotations

import sqlite3

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE conversation (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        title TEXT NOT NULL,
        speculation INTEGER NOT NULL DEFAULT 1,
        created REAL NOT NULL,
        updated REAL NOT NULL
    );
    CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation_id INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
        text TEXT NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('waiting', 'streaming', 'finished', 'stopped', 'failed')),
        created REAL NOT NULL,
        language TEXT,
        figures TEXT CHECK (figures IS NULL OR json_valid(figures)),
        finish_reason TEXT,
        error TEXT,
        error_values TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(error_values))
    );
    CREATE INDEX message_of_conversation ON message (conversation_id, id);
    CREATE TABLE preference (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    """,
)


def newest() -> int:
    return len(STEPS)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the steps that are missing, each in a transaction of its own."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, step in enumerate(STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
