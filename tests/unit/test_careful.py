"""What is offered to an engine that broke again: it fits the machine, says its cost, and is
kept until it is taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chatapp import locations
from chatapp.application.chosen_pair import find_pair, find_setup
from chatapp.chat.choices import careful_choices, keep_caution
from chatapp.chat.store import Store
from chatapp.domain import Card, EngineState, EngineStatus, Pair, Tree
from chatapp.engine.command import engine_command
from chatapp.engine.planning.careful import NAMES, careful, cautions, spared
from chatapp.engine.planning.planner import make_plan
from chatapp.pairs.planned import planned_known
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes import engine_box as engine
from chatapp.units import GIB
from tests.shown import Shown

PAIR = Pair("pair", Path("target"), Path("draft"), Tree(5, 4, 16), "bfloat16", 2048)
CARD = Card(24 * GIB, capability=(8, 9))


def names(*asked, **known) -> list[str]:
    return [one.name for one in cautions(*asked, **known)]


def test_offers_fit_the_machine() -> None:
    assert names("engine_killed", PAIR, None, ()) == ["pool", "tree", "draft"]
    assert names("engine_killed", PAIR, CARD, ()) == ["memory", "graphs", "tree", "draft"]


def test_what_is_in_force_or_would_change_nothing_is_not_offered() -> None:
    assert names("engine_killed", PAIR, CARD, ("memory", "draft")) == ["graphs"]
    small = replace(PAIR, tree=Tree(3, 1, 4), context_length=32768)
    assert names("engine_killed", small, None, ()) == ["draft"]


@pytest.mark.parametrize("failure", ["engine_weights_corrupt", "engine_arguments"])
def test_what_is_broken_is_not_helped_by_care(failure: str) -> None:
    assert names(failure, PAIR, CARD, ()) == []


def test_each_does_what_it_says() -> None:
    def command(*names: str, device="cuda") -> list[str]:
        setup = careful(PAIR, ("--mem-fraction-static", "0.9"), names)
        return engine_command(
            setup.pair, device, 1, "key", speculation=setup.speculation, extra=setup.arguments
        )

    def value(flag: str, words: list[str]) -> str:
        return words[len(words) - words[::-1].index(flag)]  # the last one counts

    assert "--disable-decode-cuda-graph" in command("graphs")
    assert value("--speculative-num-draft-tokens", command("tree")) == "4"
    assert "--speculative-algorithm" not in command("draft")
    assert value("--max-total-tokens", command(device="cpu")) == "8192"
    assert value("--max-total-tokens", command("pool", device="cpu")) == "4096"


def test_less_memory_is_planned_so() -> None:
    """The published pair gives up KV cache and still fits."""
    published = next(pair for pair in planned_known() if pair.name == "published")
    whole, spare = make_plan(CARD, published), make_plan(spared(CARD), published)
    assert spare.fits and spare.kv_tokens < whole.kv_tokens
    assert spare.context_length <= whole.context_length


def test_every_one_has_its_words() -> None:
    for pair, card in ((PAIR, None), (PAIR, CARD)):
        offers = cautions("engine_killed", pair, card, ())
        status = EngineStatus(EngineState.FAILED, "pair", failure="engine_killed", offers=offers)
        for texts in map(Texts, LANGUAGES):
            drawn = Shown(engine.card(texts, status))
            for one in offers:
                assert drawn.one("button", texts(f"careful.{one.name}.label", **one.values))
            assert "{" not in drawn.says and len(engine.told(texts, status)) == len(offers) + 2
    for texts in map(Texts, LANGUAGES):
        running = Shown(engine.engine(texts, EngineStatus(EngineState.READY, "", careful=NAMES)))
        assert running.one("button", texts("careful.usual"))
        assert texts("careful.tree.label") in running.says


def test_a_choice_is_kept_until_it_is_taken_back(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    assert careful_choices(settings) == ()
    store = Store(locations.store(data_dir))
    for name in ("tree", "graphs", "tree"):
        keep_caution(store, name)
    store.close()
    assert careful_choices(settings) == ("graphs", "tree")
    store = Store(locations.store(data_dir))
    keep_caution(store, None)
    assert careful_choices(settings) == ()


def test_the_engine_is_set_up_as_was_chosen(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir, pair="pocket", device="cpu", engine_args=("--a", "1"))
    usual = find_setup(settings)
    assert (usual.pair, usual.arguments, usual.cautions) == (find_pair(settings), ("--a", "1"), ())
    store = Store(locations.store(data_dir))
    for name in ("tree", "draft"):
        keep_caution(store, name)
    setup = find_setup(settings)
    assert (setup.pair.tree, setup.speculation) == (Tree(3, 1, 4), False)
    assert setup.cautions == ("tree", "draft")
