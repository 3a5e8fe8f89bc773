"""What the app asks of every drafter, and a target that has no draft."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.application.chosen_pair import find_pair
from chatapp.chat.choices import with_choices
from chatapp.chat.store import Store
from chatapp.domain import Card, Tree
from chatapp.engine.planning.cpu_plan import cpu_rows
from chatapp.engine.planning.planner import make_plan
from chatapp.errors import PairError
from chatapp.locations import pocket_pair, store
from chatapp.pairs.check import examine
from chatapp.pairs.drafters import DRAFTERS
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.files.shapes import NO_DRAFT
from chatapp.pairs.files.unfilled import write_configurations
from chatapp.pairs.locate import drafted_by, locate, repositories, undrafted
from chatapp.pairs.planned import planned, planned_pair
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts
from chatapp.units import GIB

TARGET = pocket_pair() / "target"
CARD = Card(24 * GIB)


@pytest.mark.parametrize("name", DRAFTERS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_drafter_answers_all_that_is_asked(name: str, language: str) -> None:
    drafter, pair = DRAFTERS[name], locate("pocket", drafter=name)
    assert drafter.name == name == pair.drafter and (pair.draft is not None) == drafter.weights
    assert examine(pair) == []
    assert (drafter.shape(pair) is NO_DRAFT) == (not drafter.weights)
    flags = drafter.flags(replace(pair, tree=Tree(3, 1, 4)))
    assert flags[flags.index("--speculative-num-draft-tokens") + 1] == "4"
    assert drafter.tree in drafter.trees and len(set(drafter.trees)) == len(drafter.trees)
    assert Texts(language)(f"drafter.{name}.name")


def test_a_target_alone_is_drafted_for_by_ngram() -> None:
    pair = find_pair(Settings.load(pair=str(TARGET)))
    assert (pair.target, pair.draft, pair.drafter) == (TARGET, None, "NGRAM")
    assert pair.name == "target+ngram" and undrafted(pair.name) == "target"


def test_another_drafter_makes_another_pair() -> None:
    """What is measured with one says nothing of the other, nor does its tree."""
    own, other = (find_pair(Settings.load(pair="pocket", drafter=d)) for d in ("auto", "ngram"))
    assert (other.name, other.target) == ("pocket+ngram", own.target)
    assert (other.draft, other.tree) == (None, DRAFTERS["NGRAM"].tree)
    assert undrafted("pocket+ngram") == "pocket" and undrafted("a+b") == "a+b"
    assert find_pair(Settings.load(pair="pocket", drafter="eagle3")) == own


def test_eagle3_asks_for_its_draft() -> None:
    with pytest.raises(PairError) as refused:
        find_pair(Settings.load(pair=str(TARGET), drafter="eagle3"))
    assert refused.value.key == "drafter_needs_draft"
    for language in LANGUAGES:
        assert str(TARGET) in refused.value.words(Texts(language))


def test_a_described_pair_of_a_drafter_that_there_is_not(tmp_path: Path) -> None:
    said = (pocket_pair() / "pair.json").read_text("utf-8")
    (tmp_path / "pair.json").write_text(said.replace("EAGLE3", "ORACLE"), "utf-8")
    with pytest.raises(PairError) as refused:
        locate(str(tmp_path))
    assert refused.value.key == "pair_file_damaged"


def test_a_target_alone_can_be_downloaded() -> None:
    assert repositories("Qwen/Qwen3-0.6B") == ("Qwen/Qwen3-0.6B",)
    with pytest.raises(PairError) as missing:
        locate("Qwen/Qwen3-0.6B", ModelFolders(Path("/nowhere")))
    assert missing.value.key == "pair_not_here"


def test_without_a_draft_nothing_is_planned_for_one(tmp_path: Path) -> None:
    models = ModelFolders(tmp_path)
    own, other = (planned_pair("published", models, d) for d in ("EAGLE3", "NGRAM"))
    assert other.longest_context == other.target.context
    with_draft, without = (make_plan(CARD, pair, "published") for pair in (own, other))
    assert [with_draft.row(key) > 0 for key in ("draft", "kv_draft", "second_state")] == [True] * 3
    assert [without.row(key) for key in ("draft", "kv_draft", "second_state")] == [0] * 3
    assert without.kv_bytes_per_token == own.target.kv_bytes_per_token("float16")
    assert without.kv_tokens > with_draft.kv_tokens and without.fits
    for key in ("workspace", "graphs"):
        assert 0 < without.row(key) < with_draft.row(key)
    here = planned(drafted_by(locate("pocket"), "NGRAM"))
    assert [row.key for row in cpu_rows(here, 4096)] == ["processes", "target", "kv_target"]


def test_the_choice_of_the_page_holds_until_a_flag_says_more(data_dir: Path) -> None:
    Store(store(data_dir)).set_preference("drafter", "ngram")
    assert with_choices(Settings.load(data_dir=data_dir)).drafter == "ngram"
    assert with_choices(Settings.load(data_dir=data_dir, drafter="eagle3")).drafter == "eagle3"


def test_configurations_alone_are_written_of_what_there_is(tmp_path: Path) -> None:
    models = ModelFolders(tmp_path)
    for drafter, folders in (("EAGLE3", {"target", "draft"}), ("NGRAM", {"target"})):
        shape = planned_pair("published", models, drafter)
        written = write_configurations(tmp_path / drafter, shape)
        assert {path.name for path in (tmp_path / drafter).iterdir()} == folders
        assert written.drafter == drafter and planned(written).target == shape.target
