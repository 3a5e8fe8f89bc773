"""What is written stays written: over restarts, crashes and full disks."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from chatapp.chat import migrations
from chatapp.chat.store import Store, figures_from
from chatapp.domain import MessageState, ReplyMetrics, Role
from chatapp.errors import StoreError
from chatapp.texts import Texts

FIGURES = ReplyMetrics(True, 10, 30, 4, 9, 20, (1, 2, 6), 3.2, 55.5, 0.1, 0.9, (3, 3, 4))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "chats.sqlite3"


@pytest.fixture
def store(path: Path) -> Store:
    return Store(path)


def test_a_conversation_survives_a_restart(store: Store, path: Path) -> None:
    conversation = store.create_conversation("题目", speculation=False)
    user, reply = store.add_turn(conversation.id, "你好 🦅", "zh")
    store.update_message(
        reply.id, text="好", state=MessageState.FINISHED, figures=FIGURES, finish_reason="stop"
    )
    store.close()
    again = Store(path)
    assert [c.title for c in again.conversations()] == ["题目"]
    assert not again.conversation(conversation.id).speculation
    read_user, read_reply = again.messages(conversation.id)
    assert read_user == user
    assert (read_reply.text, read_reply.figures) == ("好", FIGURES)


def test_what_was_kept_before_a_figure_was_there_can_be_read() -> None:
    told = asdict(FIGURES)
    del told["verify_step_s"], told["simulated_accept_length"]
    assert figures_from(json.dumps(told)) == FIGURES


def test_after_a_crash_streaming_is_stopped_and_waiting_waits(store: Store, path: Path) -> None:
    conversation = store.create_conversation("")
    _, written = store.add_turn(conversation.id, "one", "en")
    store.update_message(written.id, text="half", state=MessageState.STREAMING)
    store.add_turn(conversation.id, "two", "en")
    again = Store(path)
    replies = [m for m in again.messages(conversation.id) if m.role is Role.ASSISTANT]
    assert [(m.text, m.state) for m in replies] == [
        ("half", MessageState.STOPPED),
        ("", MessageState.WAITING),
    ]


def test_what_was_written_before_a_kill_is_there(path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from chatapp.chat.store import Store\n"
        "s = Store(Path(sys.argv[1])); c = s.create_conversation('t')\n"
        "_, reply = s.add_turn(c.id, 'kept', 'en')\n"
        "s.update_message(reply.id, durable=False, text='this too')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)])
    assert ended.returncode == -signal.SIGKILL
    store = Store(path)
    assert [m.text for m in store.messages(store.conversations()[0].id)] == ["kept", "this too"]


def test_the_last_used_conversation_comes_first(store: Store) -> None:
    first, second = store.create_conversation("first"), store.create_conversation("second")
    store.add_message(first.id, Role.USER, "hello")
    assert [c.id for c in store.conversations()] == [first.id, second.id]


def test_renaming_switching_and_deleting(store: Store) -> None:
    conversation = store.create_conversation("old")
    store.rename(conversation.id, "new")
    store.set_speculation(conversation.id, False)
    changed = store.conversation(conversation.id)
    assert (changed.title, changed.speculation) == ("new", False)
    message = store.add_message(conversation.id, Role.USER, "x")
    store.delete_conversation(conversation.id)
    assert store.conversations() == []
    with pytest.raises(StoreError, match="no longer there"):
        store.message(message.id)


def test_writing_into_a_deleted_conversation_says_so(store: Store) -> None:
    with pytest.raises(StoreError) as refused:
        store.add_turn(99, "x", "en")
    assert refused.value.key == "store_no_conversation"
    with pytest.raises(StoreError):
        store.update_message(99, text="x")


def test_a_turn_is_written_whole_or_not_at_all(store: Store) -> None:
    conversation = store.create_conversation("")
    with store.write() as db:
        db.execute(
            "CREATE TRIGGER fails_second BEFORE INSERT ON message WHEN NEW.role = 'assistant'"
            " BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
    with pytest.raises(StoreError):
        store.add_turn(conversation.id, "x", "en")
    assert store.messages(conversation.id) == []


def test_replace_after_leaves_what_is_before(store: Store) -> None:
    conversation = store.create_conversation("")
    store.add_turn(conversation.id, "one", "en")
    user, _ = store.add_turn(conversation.id, "two", "en")
    store.add_message(conversation.id, Role.USER, "three")
    reply = store.replace_after(user)
    texts = [(m.text, m.state) for m in store.messages(conversation.id)]
    assert [text for text, _ in texts] == ["one", "", "two", ""]
    assert reply.state is MessageState.WAITING


def test_preferences_hold_any_json(store: Store) -> None:
    assert store.preference("theme", "auto") == "auto"
    store.set_preference("theme", {"dark": True})
    store.set_preference("theme", {"dark": False})
    assert store.preference("theme") == {"dark": False}


def test_many_threads_write_at_once(store: Store) -> None:
    conversation = store.create_conversation("")

    def write(name: int) -> None:
        for number in range(20):
            store.add_message(conversation.id, Role.USER, f"{name}.{number}")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.messages(conversation.id)) == 80


def test_a_damaged_file_says_which(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError) as refused:
        Store(path)
    assert refused.value.key == "store_corrupt"
    assert str(path) in refused.value.words(Texts("zh"))


def test_a_locked_file_says_so(store: Store, path: Path) -> None:
    with store.write() as db:
        db.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as refused:
        store.create_conversation("x")
    assert refused.value.key == "store_locked"
    other.execute("ROLLBACK")
    assert store.create_conversation("x").title == "x"


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Store(tmp_path)


def test_a_full_disk_says_so_and_keeps_what_was_there(store: Store, path: Path) -> None:
    conversation = store.create_conversation("")
    store.add_message(conversation.id, Role.USER, "before")
    with store.write() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError) as refused:
        store.add_message(conversation.id, Role.USER, "x" * 100_000)
    assert refused.value.key == "store_full"
    assert [m.text for m in store.messages(conversation.id)] == ["before"]


def test_a_file_size_limit_is_a_store_error(path: Path) -> None:
    """The kernel refuses the write itself, as it does on a full disk."""
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from chatapp.chat.store import Store; from chatapp.errors import StoreError\n"
        "from chatapp.domain import Role\n"
        "s = Store(Path(sys.argv[1])); c = s.create_conversation('t')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))\n"
        "try: s.add_message(c.id, Role.USER, 'x' * 400_000)\n"
        "except StoreError as error: print(error.key, len(s.messages(c.id)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True
    )
    assert ended.stdout.split() in (["store_full", "0"], ["store_failed", "0"]), ended.stderr


def test_a_store_of_a_newer_version_is_left_alone(store: Store, path: Path) -> None:
    with store.write() as db:
        db.execute(f"PRAGMA user_version = {migrations.newest() + 1}")
    store.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        Store(path)
    assert refused.value.key == "store_newer"
    assert path.read_bytes() == before


def test_migrations_are_numbered(store: Store) -> None:
    with store.write() as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == migrations.newest()


def test_a_step_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(path).close()
    steps = (*migrations.STEPS, "CREATE TABLE half (id); CREATE TABLE half (id);")
    monkeypatch.setattr(migrations, "STEPS", steps)
    with pytest.raises(StoreError):
        Store(path)
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(steps) - 1
    assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()


def test_the_unknown_is_not_updated(store: Store) -> None:
    message = store.add_message(store.create_conversation("").id, Role.USER, "x")
    with pytest.raises(TypeError, match="role"):
        store.update_message(message.id, role="assistant")
