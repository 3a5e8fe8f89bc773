"""Every preset on cards that are not here, resolved by SGLang's own argument code."""

from __future__ import annotations

import pytest

from chatapp.engine.planning.graphs import prefill_sizes
from chatapp.engine.planning.kv_cache import PAGE_TOKENS
from chatapp.engine.planning.plan import MemoryPlan
from chatapp.engine.planning.planner import make_plan, set_up
from chatapp.engine.planning.presets import presets
from chatapp.pairs.files.unfilled import write_configurations
from chatapp.pairs.planned import planned_known
from tests.resolved import CARDS, PretendedCard, Resolved, resolved

Found = tuple[PretendedCard, MemoryPlan, bool, Resolved]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    """Every pair and preset that a card can do, with speculation and without a draft."""
    folder = tmp_path_factory.mktemp("pairs")
    pairs = {
        planned.name: (planned, write_configurations(folder / planned.name, planned))
        for planned in planned_known()
    }
    cases = [
        (card, set_up(pair, made), made, speculation)
        for card in CARDS
        for planned, pair in pairs.values()
        for name, preset in presets().items()
        if preset.runs_on(card.capability)
        and (made := make_plan(card.as_planned(), planned, name)).fits
        for speculation in (True, False)
    ]
    told = resolved([(card, pair, on) for card, pair, _, on in cases])
    return [(card, made, on, said) for (card, _, made, on), said in zip(cases, told, strict=True)]


def test_no_card_and_no_preset_is_missing(found: list[Found]) -> None:
    assert {card.name for card, *_ in found} == {card.name for card in CARDS}
    assert {made.preset.name for _, made, *_ in found} == set(presets())


def test_backends_are_those_that_the_kernels_are_built_for(found: list[Found]) -> None:
    """One choice for all of these cards, so what was proved of one holds for the others."""
    chosen = {
        (said.attention_backend, said.draft_attention_backend, said.sampling_backend)
        for *_, said in found
    }
    assert chosen == {("flashinfer", None, "flashinfer")}  # None: the target's
    assert {said.page_size for *_, said in found} == {PAGE_TOKENS}, "no page is duplicated"
    assert all(said.overlap for *_, said in found)


def test_what_is_planned_is_what_is_taken(found: list[Found]) -> None:
    for card, made, on, said in found:
        preset, case = made.preset, (card.name, made.pair.name, made.preset.name, on)
        assert said.decode_graphs == preset.graph_sizes, case
        assert said.chunked_prefill == preset.chunked_prefill, case
        assert said.mem_fraction_static == made.mem_fraction_static, case
        assert said.max_running == preset.max_running, case
        assert said.context_length == made.context_length, case
        tree = ("speculative_num_steps", "speculative_eagle_topk", "speculative_num_draft_tokens")
        planned = made.pair.tree
        wanted = (planned.steps, planned.topk, planned.draft_tokens) if on else (None,) * 3
        assert tuple(said.all[name] for name in tree) == wanted, case


def test_graphs_go_no_further_than_the_sizes_that_are_listed(found: list[Found]) -> None:
    """The published command names 16 beside "1 2 3 4": SGLang takes the largest listed."""
    for _, made, _, said in found:
        assert said.decode_graph_max == max(made.preset.graph_sizes)


def test_a_prefill_is_captured_for_the_sizes_that_are_planned(found: list[Found]) -> None:
    """Up to the whole chunk, or not at all."""
    for _, made, _, said in found:
        assert said.prefill_graphs == prefill_sizes(made.preset)
    captured = {made.preset.name: bool(said.prefill_graphs) for _, made, _, said in found}
    assert captured == {"published": True, "long": True, "small": False, "fast": True}


def test_without_a_draft_the_target_runs_the_same(found: list[Found]) -> None:
    """Else a comparison of the two would compare more than speculation."""
    for (*_, on, said), (*_, off, plain) in zip(found[::2], found[1::2], strict=True):
        assert (on, off) == (True, False)
        differ = {name for name in said.all if said.all[name] != plain.all[name]}
        assert {name for name in differ if not name.startswith("speculative")} == set()
