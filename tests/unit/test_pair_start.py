"""What the app starts with on a machine with a card: the pair, and how it is set up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatapp.application.chosen_pair import find_pair
from chatapp.commands.run import name_the_pair
from chatapp.errors import PairError
from chatapp.host import stamp
from chatapp.pairs.choice import meant_name, start_name
from chatapp.pairs.files.folders import ModelFolders
from chatapp.settings import Settings
from chatapp.texts import Texts
from tests.fakes.nvml import MIB, Card, Driver, loaded
from tests.fakes.toy_pair import draft_files, target_files


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    """One card of 24 GB with a driver that is new enough, and the set for it installed."""
    monkeypatch.setattr(stamp, "is_current", lambda name: name == "cuda")
    card = Card(used=500 * MIB)
    with ExitStack() as stack:
        stack.enter_context(loaded(Driver([card])))
        yield card


def put(data_dir: Path, model: str, files: dict[str, bytes]) -> Path:
    folder = ModelFolders(data_dir).folder(model)
    folder.mkdir(parents=True)
    for path, content in files.items():
        if "/" not in path:
            (folder / path).write_bytes(content)
    return folder


def settings(data_dir: Path, **flags: object) -> Settings:
    return Settings.load(data_dir=data_dir, **flags)


def test_the_pocket_pair_chats_until_the_large_one_is_here(card: Card, data_dir: Path) -> None:
    told = settings(data_dir)
    models = ModelFolders(data_dir)
    assert meant_name(told) == "published" and start_name(told, models) == "pocket"
    put(data_dir, "Qwen/Qwen3-4B-Instruct-2507", target_files())
    assert start_name(told, models) == "pocket", "the draft is still missing"
    name = "Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh"
    draft = put(data_dir, name, draft_files())
    assert start_name(told, models) == "published"
    (draft / "model.safetensors.abc.part").touch()
    assert start_name(told, models) == "pocket", "half a download is none"


@pytest.mark.parametrize(("megabytes", "name"), [(8188, "small"), (6144, "pocket")])
def test_a_smaller_card_is_meant_for_less(
    card: Card, data_dir: Path, megabytes: int, name: str
) -> None:
    card.total = megabytes * MIB
    assert meant_name(settings(data_dir)) == name


def test_a_card_that_is_not_to_be_used_counts_for_nothing(card: Card, data_dir: Path) -> None:
    assert meant_name(settings(data_dir, device="cpu")) == "pocket"
    assert find_pair(settings(data_dir, device="cpu")).arguments == ()


def test_on_a_card_the_plan_sets_the_engine_up(card: Card, data_dir: Path) -> None:
    pair = find_pair(settings(data_dir, pair="pocket"))
    share = float(pair.arguments[pair.arguments.index("--mem-fraction-static") + 1])
    assert 0 < share < 0.1, "a small pair leaves the card to others"
    assert pair.context_length <= 2048
    long = find_pair(settings(data_dir, pair="pocket", preset="long"))
    assert long.arguments[long.arguments.index("--max-running-requests") + 1] == "1"
    card.used = card.total - 100 * MIB
    full = find_pair(settings(data_dir, pair="pocket"))
    assert full.arguments == (), "what does not fit stays as published, and the engine says why"


def test_a_driver_that_tells_nothing_leaves_the_published_setup(card: Card, data_dir: Path) -> None:
    card.code = 15
    assert find_pair(settings(data_dir, pair="pocket")).arguments == ()
    assert meant_name(settings(data_dir)) == "pocket"


def test_a_pair_by_its_models_names(data_dir: Path) -> None:
    put(data_dir, "some/target", target_files())
    put(data_dir, "some/draft", draft_files())
    told = settings(data_dir, device="cpu", pair="some/target, some/draft")
    assert find_pair(told).target.name == "some--target"
    with pytest.raises(PairError) as refused:
        find_pair(settings(data_dir, device="cpu", pair="some/target,other/draft"))
    assert refused.value.key == "pair_not_here"
    assert refused.value.values["name"] == "some/target,other/draft"


def test_the_terminal_says_what_there_is_to_download(
    card: Card, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name_the_pair(settings(data_dir), Texts("en"))
    said = capsys.readouterr().out
    assert "about 8.5 GB" in said and "pairs download published" in said
    name_the_pair(settings(data_dir, pair="pocket"), Texts("en"))
    put(data_dir, "Qwen/Qwen3-4B-Instruct-2507", target_files())
    put(data_dir, "Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh", draft_files())
    name_the_pair(settings(data_dir), Texts("zh"))
    assert capsys.readouterr().out == ""
