"""What was written is found: by one Chinese character, by the beginning of an English word."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.chat import migrations
from chatapp.chat.full_text import first_hit, question
from chatapp.chat.search import Search, Snippet, snippet
from chatapp.chat.store import Store
from chatapp.domain import MessageState, Role

TEXTS = [
    "二次方程的求根公式是什么？",
    "The quadratic formula gives the roots of ax² + bx + c.",
    "鹰聊用 SGLang 0.5.23 和 EAGLE-3 草稿。",
    "snake_case_name and C++",
    "Straße, naïve café",
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.sqlite3")
    yield store
    store.close()


@pytest.fixture
def filled(store: Store) -> Store:
    for number, text in enumerate(TEXTS):
        conversation = store.create_conversation(f"Title {number}")
        store.add_message(conversation.id, Role.USER, text)
    return store


def texts(store: Store, search: str) -> list[str]:
    found = Search(store).find(search)
    return [store.message(one.message_id).text for one in found if one.message_id]


@pytest.mark.parametrize(
    "search, number",
    [
        ("根", 0),
        ("求根", 0),
        ("求根公式", 0),
        ("方程 公式", 0),
        ("quad", 1),
        ("QUADRATIC form", 1),
        ("roots", 1),
        ("SGLang 0.5", 2),
        ("用SGLang", 2),
        ("eagle-3 草稿", 2),
        ("snake_case", 3),
        ("case", 3),
        ("cafe", 4),
        ("straße", 4),
    ],
)
def test_what_was_written_is_found(filled: Store, search: str, number: int) -> None:
    assert texts(filled, search) == [TEXTS[number]]


@pytest.mark.parametrize(
    "search", ["根求", "方公", "oots", "uadratic", "", "  ", "?!", '"', "*", "OR"]
)
def test_what_was_not_is_not(filled: Store, search: str) -> None:
    assert texts(filled, search) == []


def test_titles_come_first_and_are_found_under_their_new_name(store: Store) -> None:
    conversation = store.create_conversation("旧名字")
    store.add_message(conversation.id, Role.USER, "新的开始")
    store.rename(conversation.id, "新名字")
    found = Search(store).find("新")
    assert [one.message_id is None for one in found] == [True, False]
    assert not Search(store).find("旧")


def test_a_reply_is_found_once_it_is_written_and_not_once_it_is_gone(store: Store) -> None:
    conversation = store.create_conversation("")
    user, reply = store.add_turn(conversation.id, "hello", "en")
    store.update_message(reply.id, text="so far", state=MessageState.STREAMING)
    assert texts(store, "far") == []
    store.update_message(reply.id, text="so far and further", state=MessageState.FINISHED)
    assert texts(store, "further") == ["so far and further"]
    store.replace_after(user)
    assert texts(store, "further") == []
    store.delete_conversation(conversation.id)
    assert texts(store, "hello") == []


def test_a_reply_that_a_crash_broke_off_is_found(tmp_path: Path) -> None:
    first = Store(tmp_path / "s.sqlite3")
    _, reply = first.add_turn(first.create_conversation("").id, "hello", "en")
    first.update_message(reply.id, text="broken off", state=MessageState.STREAMING)
    first.close()
    second = Store(tmp_path / "s.sqlite3")
    assert texts(second, "broken") == ["broken off"]
    second.close()


def test_what_an_older_version_kept_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    old = sqlite3.connect(path)
    for step in migrations.STEPS[:2]:
        old.executescript(step)
    old.execute("INSERT INTO conversation VALUES (1, '旧对话', 1, 1.0, 1.0, 'on')")
    old.execute(
        "INSERT INTO message (conversation_id, role, text, state, created)"
        " VALUES (1, 'user', '很久以前', 'finished', 1.0)"
    )
    old.execute("PRAGMA user_version = 2")
    old.commit()
    old.close()
    store = Store(path)
    assert texts(store, "久") == ["很久以前"] and Search(store).find("旧")
    store.close()


def test_the_newest_come_first_and_no_more_than_were_asked_for(store: Store) -> None:
    conversation = store.create_conversation("x")
    for number in range(5):
        store.add_message(conversation.id, Role.USER, f"word {number}")
    found = Search(store).find("word", limit=3)
    assert [one.snippet.after for one in found] == [" 4", " 3", " 2"]


def test_a_snippet_is_one_line_around_what_was_found() -> None:
    text = "一" * 200 + "\n求根\n公式" + "二" * 300
    cut = snippet(text, "求根公式")
    assert cut.hit == "求根 公式" and cut.before.startswith("…") and cut.before.endswith("一 ")
    assert len(cut.before) < 30 and len(cut.after) < 100
    assert snippet("short", "sho") == Snippet("", "sho", "rt")


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_question_that_sqlite_understands(search: str) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(words, content='', tokenize='unicode61')")
    if asked := question(search):
        db.execute("SELECT rowid FROM t WHERE t MATCH ?", (asked,)).fetchall()
    first_hit(search, search)
    db.close()
