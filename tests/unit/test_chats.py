"""What is taken along comes back whole, once; what others export comes in; a broken file
brings nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatapp import locations
from chatapp.chat.imports import Brought, bring
from chatapp.chat.search import Search
from chatapp.chat.store import Store
from chatapp.chat.traces import Traces
from chatapp.cli import run
from chatapp.domain import MessageState, Role
from chatapp.errors import InputError
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Arrival, Trace

TRACE = Trace(True, 9, 0, tuple(range(8)), (4, 3), [Arrival(0.2, 1, 0), Arrival(0.6, 8, 2)])

CHATGPT = [
    {
        "id": "c1",
        "title": "Kekse",
        "create_time": 1700000000.5,
        "update_time": 1700000100.0,
        "current_node": "d",
        "mapping": {
            "a": {"message": None, "parent": None, "children": ["b"]},
            "b": {
                "message": {
                    "author": {"role": "user"},
                    "create_time": 1700000001.0,
                    "content": {"content_type": "text", "parts": ["怎么烤饼干？"]},
                },
                "parent": "a",
                "children": ["c", "d"],
            },
            "c": {
                "message": {
                    "author": {"role": "assistant"},
                    "create_time": None,
                    "content": {"content_type": "text", "parts": ["an older version"]},
                },
                "parent": "b",
                "children": [],
            },
            "d": {
                "message": {
                    "author": {"role": "assistant"},
                    "create_time": 1700000009.0,
                    "content": {
                        "content_type": "text",
                        "parts": ["Bake.", {"a": "b"}, "Cool."],
                    },
                },
                "parent": "b",
                "children": [],
            },
        },
    }
]
OPEN_WEBUI = [
    {
        "id": "w1",
        "title": "Sterne",
        "created_at": 1700000000,
        "updated_at": 1700000100000000000,
        "chat": {
            "title": "Sterne",
            "history": {
                "currentId": "2",
                "messages": {
                    "1": {"parentId": None, "role": "user", "timestamp": 1700000001,
                          "content": "Why do stars twinkle?"},
                    "2": {"parentId": "1", "role": "assistant", "timestamp": 1700000002,
                          "content": "The air moves."},
                    "3": {"parentId": "1", "role": "assistant", "timestamp": 1700000003,
                          "content": "not shown"},
                },
            },
        },
    }
]  # fmt: skip


@pytest.fixture
def store(data_dir: Path) -> Iterator[Store]:
    store = Store(locations.store(data_dir))
    yield store
    store.close()


def written(data_dir: Path, document: object) -> Path:
    path = data_dir / "file.json"
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
    return path


def said(store: Store) -> list[tuple[Role, str]]:
    (conversation,) = store.conversations()
    return [(one.role, one.text) for one in store.messages(conversation.id)]


@pytest.fixture
def full(store: Store) -> Store:
    conversation = store.create_conversation("猫", speculation=False)
    _, reply = store.add_turn(conversation.id, "猫是什么？", "zh")
    store.update_message(
        reply.id, text="**动物**。", state=MessageState.FINISHED, figures=metrics_of(TRACE)
    )
    Traces(store).keep(reply.id, TRACE)
    store.add_turn(conversation.id, "still waiting", "en")
    return store


def test_all_of_it_goes_out_and_comes_back(full: Store, data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    assert run(["chats", "export", str(path), "--data-dir", str(data_dir)]) == 0
    other = Store(tmp_path / "other.sqlite3")
    assert bring(other, path) == Brought(new=1, known=0)
    (before,), (after,) = full.conversations(), other.conversations()
    assert replace(after, id=before.id) == before
    old, new = full.messages(before.id), other.messages(after.id)
    assert [replace(one, id=0, conversation_id=0) for one in new[:3]] == [
        replace(one, id=0, conversation_id=0) for one in old[:3]
    ]
    assert new[3].state is MessageState.STOPPED, "nobody waits for it any more"
    assert Traces(other).of(new[1].id) == Traces(full).of(old[1].id)
    assert Search(other).find("动物")
    other.close()


def test_twice_brings_nothing_twice(full: Store, data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    run(["chats", "export", str(path), "--data-dir", str(data_dir)])
    assert bring(full, path) == Brought(new=0, known=1), "it came from here"
    for document in (CHATGPT, OPEN_WEBUI):
        foreign = written(data_dir, document)
        assert bring(full, foreign).new == 1 and bring(full, foreign) == Brought(0, 1)


def test_chatgpts_export_comes_as_it_was_shown_last(store: Store, data_dir: Path) -> None:
    bring(store, written(data_dir, CHATGPT))
    assert said(store) == [(Role.USER, "怎么烤饼干？"), (Role.ASSISTANT, "Bake.\n\nCool.")]
    (conversation,) = store.conversations()
    assert (conversation.title, conversation.created) == ("Kekse", 1700000000.5)


def test_open_webuis_export_comes_as_it_was_shown_last(store: Store, data_dir: Path) -> None:
    bring(store, written(data_dir, OPEN_WEBUI))
    assert said(store) == [(Role.USER, "Why do stars twinkle?"), (Role.ASSISTANT, "The air moves.")]
    (conversation,) = store.conversations()
    assert conversation.updated == 1700000100, "nanoseconds or seconds"


def broken(change: str) -> Any:
    document = json.loads(json.dumps(CHATGPT * 2))
    exec(change, {"it": document[1]})  # lines of this file
    return document


@pytest.mark.parametrize(
    "change",
    [
        "del it['mapping']['b']",
        "it['mapping']['a']['parent'] = 'd'",
        "it['mapping'] = 7",
        "it['create_time'] = 'yesterday'",
        "del it['current_node']",
        "it['mapping']['b']['message']['content'] = None",
    ],
)
def test_a_broken_file_brings_nothing_and_says_where(
    store: Store, data_dir: Path, change: str
) -> None:
    with pytest.raises(InputError) as refused:
        bring(store, written(data_dir, broken(change)))
    assert refused.value.key == "import_broken" and "[1]" in str(refused.value.values["place"])
    assert store.conversations() == []


@pytest.mark.parametrize("document", [{}, [], [1], "text", {"format": "other"}, [{"title": "x"}]])
def test_what_is_no_export_is_refused(store: Store, data_dir: Path, document: object) -> None:
    with pytest.raises(InputError):
        bring(store, written(data_dir, document))


def test_no_json_at_all_is_refused_with_its_place(store: Store, data_dir: Path) -> None:
    path = data_dir / "half.json"
    path.write_text('[{"title": "x"')
    with pytest.raises(InputError, match="half.json"):
        bring(store, path)


def test_on_the_terminal(full: Store, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--data-dir", str(data_dir)]
    assert run(["chats", *place]) == 0 and "猫" in capsys.readouterr().out
    assert run(["chats", "search", "动", "--json", *place]) == 0
    (found,) = json.loads(capsys.readouterr().out)["found"]
    assert found["snippet"]["hit"] == "动"
    assert run(["chats", "search", "nowhere", *place]) == 1
    assert run(["chats", "export", str(data_dir / "all.md"), *place]) == 0
    assert "**动物**。" in (data_dir / "all.md").read_text("utf-8")
    assert run(["chats", "search", *place]) == 2
    assert run(["chats", "import", str(data_dir / "missing.json"), *place]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_reply_that_the_app_is_writing_is_left_alone(store: Store, data_dir: Path) -> None:
    _, reply = store.add_turn(store.create_conversation("").id, "hello", "en")
    store.update_message(reply.id, text="so far", state=MessageState.STREAMING)
    assert run(["chats", "list", "--data-dir", str(data_dir)]) == 0
    assert store.message(reply.id).state is MessageState.STREAMING
