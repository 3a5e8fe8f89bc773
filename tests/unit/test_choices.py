"""What was chosen on the page counts for every command, with and without the app."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chatapp import locations
from chatapp.application.chosen_pair import find_pair
from chatapp.chat.choices import keep_tree, tuned, with_choices
from chatapp.chat.store import Store
from chatapp.domain import MessageState, Role, Tree
from chatapp.errors import PairError
from chatapp.settings import Settings


@pytest.fixture
def store(data_dir: Path) -> Store:
    return Store(locations.store(data_dir))


def test_they_count_less_than_what_is_said(
    store: Store, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set_preference("pair", "published")
    store.set_preference("preset", "long")
    settings = with_choices(Settings.load(data_dir=data_dir))
    assert (settings.pair, settings.preset) == ("published", "long")
    assert with_choices(settings) is settings
    settings = with_choices(Settings.load(data_dir=data_dir, pair="pocket"))
    assert (settings.pair, settings.preset) == ("pocket", "long")
    assert with_choices(Settings.load(data_dir=data_dir, pair="auto")).pair == "auto"
    monkeypatch.setenv("EAGLECHAT_PRESET", "small")
    assert with_choices(Settings.load(data_dir=data_dir)).preset == "small"


def test_the_chosen_pair_is_the_one_that_runs(store: Store, data_dir: Path) -> None:
    store.set_preference("pair", "published")
    with pytest.raises(PairError) as missing:
        find_pair(Settings.load(data_dir=data_dir, device="cpu"))
    assert missing.value.values["name"] == "published"
    assert find_pair(Settings.load(data_dir=data_dir, device="cpu", pair="pocket"))


def test_the_tree_that_was_kept_is_the_one_that_runs(store: Store, data_dir: Path) -> None:
    settings = Settings.load(data_dir=data_dir, device="cpu", pair="pocket")
    own = find_pair(settings)
    keep_tree(store, own, Tree(2, 2, 3))
    assert find_pair(settings) == replace(own, tree=Tree(2, 2, 3))
    another = replace(own, name="another")
    assert tuned(another, settings) == another
    store.set_preference("tree:pocket", "no tree")
    assert find_pair(settings) == own
    keep_tree(store, own, None)
    assert find_pair(settings) == own


def test_reading_them_leaves_a_reply_that_is_being_written_alone(
    store: Store, data_dir: Path
) -> None:
    conversation = store.create_conversation("")
    reply = store.add_message(conversation.id, Role.ASSISTANT, "half", state=MessageState.STREAMING)
    with_choices(Settings.load(data_dir=data_dir))
    assert store.message(reply.id).state is MessageState.STREAMING


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_without_a_store_nothing_was_chosen(data_dir: Path, content: bytes | None) -> None:
    path = locations.store(data_dir)
    if content is not None:
        path.write_bytes(content)
    settings = Settings.load(data_dir=data_dir)
    assert with_choices(settings) is settings
    assert (path.read_bytes() if path.exists() else None) == content
