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
    # The toggle has three positions; replies keep the record of their stream.
    """
    ALTER TABLE conversation ADD COLUMN mode TEXT NOT NULL DEFAULT 'on'
        CHECK (mode IN ('on', 'off', 'auto'));
    UPDATE conversation SET mode = 'off' WHERE NOT speculation;
    ALTER TABLE message ADD COLUMN kind TEXT;
    ALTER TABLE message ADD COLUMN choice TEXT CHECK (choice IS NULL OR json_valid(choice));
    CREATE TABLE trace (
        message_id INTEGER PRIMARY KEY REFERENCES message(id) ON DELETE CASCADE,
        document TEXT NOT NULL CHECK (json_valid(document))
    );
    CREATE TABLE comparison (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created REAL NOT NULL,
        machine TEXT NOT NULL,
        pair TEXT NOT NULL,
        tree TEXT NOT NULL,
        language TEXT NOT NULL,
        kind TEXT NOT NULL,
        simulated REAL,
        ratios TEXT NOT NULL CHECK (json_valid(ratios)),
        document TEXT NOT NULL CHECK (json_valid(document))
    );
    CREATE INDEX comparison_of_setting ON comparison (machine, pair, tree);
    """,
    # Full text of titles and of messages that are no longer written; ``searchable`` is ours.
    """
    CREATE VIRTUAL TABLE message_words USING fts5(words, content='', tokenize='unicode61');
    CREATE VIRTUAL TABLE title_words USING fts5(words, content='', tokenize='unicode61');
    INSERT INTO message_words (rowid, words) SELECT id, searchable(text) FROM message
        WHERE state NOT IN ('waiting', 'streaming');
    INSERT INTO title_words (rowid, words) SELECT id, searchable(title) FROM conversation;
    CREATE TRIGGER message_written AFTER INSERT ON message
        WHEN new.state NOT IN ('waiting', 'streaming') BEGIN
        INSERT INTO message_words (rowid, words) VALUES (new.id, searchable(new.text));
    END;
    CREATE TRIGGER message_gone AFTER DELETE ON message
        WHEN old.state NOT IN ('waiting', 'streaming') BEGIN
        INSERT INTO message_words (message_words, rowid, words)
            VALUES ('delete', old.id, searchable(old.text));
    END;
    CREATE TRIGGER message_changed AFTER UPDATE OF text, state ON message
        WHEN new.state NOT IN ('waiting', 'streaming') OR old.state NOT IN ('waiting', 'streaming')
        BEGIN
        INSERT INTO message_words (message_words, rowid, words)
            SELECT 'delete', old.id, searchable(old.text)
            WHERE old.state NOT IN ('waiting', 'streaming');
        INSERT INTO message_words (rowid, words) SELECT new.id, searchable(new.text)
            WHERE new.state NOT IN ('waiting', 'streaming');
    END;
    CREATE TRIGGER conversation_written AFTER INSERT ON conversation BEGIN
        INSERT INTO title_words (rowid, words) VALUES (new.id, searchable(new.title));
    END;
    CREATE TRIGGER conversation_gone AFTER DELETE ON conversation BEGIN
        INSERT INTO title_words (title_words, rowid, words)
            VALUES ('delete', old.id, searchable(old.title));
    END;
    CREATE TRIGGER conversation_renamed AFTER UPDATE OF title ON conversation BEGIN
        INSERT INTO title_words (title_words, rowid, words)
            VALUES ('delete', old.id, searchable(old.title));
        INSERT INTO title_words (rowid, words) VALUES (new.id, searchable(new.title));
    END;
    """,
    # What came from a file, so that it does not come twice.
    """
    CREATE TABLE brought (
        key TEXT PRIMARY KEY,
        conversation_id INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE
    );
    """,
)


def newest() -> int:
    return len(STEPS)


def migrate(connection: sqlite3.Connection) -> None:
    """Apply the steps that are missing, each in a transaction of its own."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, step in enumerate(STEPS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
