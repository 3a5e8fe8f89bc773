"""The plan's arithmetic beside SGLang's own code, on the plan's figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from chatapp.domain import Card, Tree
from chatapp.engine.planning.budget import Budget
from chatapp.engine.planning.flashinfer import WORKSPACE_BYTES, FlashInfer
from chatapp.engine.planning.presets import presets
from chatapp.pairs.files.unfilled import write_configurations
from chatapp.pairs.planned import planned_known
from chatapp.units import GIB, MIB
from tests.sizing import asked

PUBLISHED = planned_known()[0]
CONTEXT = PUBLISHED.context_length
CARDS = (16, 24, 32, 48)


def budgets() -> list[Budget]:
    """On every card, with others on it and without, as each preset would run there. SGLang
    reckons in the configured type, so the presets that change none of it stand for all."""
    cards = [Card(gib * GIB, others * GIB // 4) for gib in CARDS for others in (0, 3)]
    found = [Budget(card, PUBLISHED, preset) for card in cards for preset in presets().values()]
    return [budget for budget in found if budget.tokens(budget.fraction)]


def trees() -> list[FlashInfer]:
    kinds = [(Tree(5, 4, 16), (1, 2, 3, 4)), (Tree(3, 1, 4), (1, 2)), (Tree(7, 1, 8), (1,))]
    return [FlashInfer(tree, sizes, CONTEXT) for tree, sizes in kinds]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    pair = write_configurations(tmp_path_factory.mktemp("pair"), PUBLISHED)
    sizes = [
        {
            "before": budget.available,
            "free": budget.available - budget.loaded.bytes,
            "fraction": budget.fraction,
        }
        for budget in budgets()
    ]
    return asked(pair, [*sizes, *({**asdict(made.tree), "sizes": made.sizes} for made in trees())])


def test_the_kv_cache_has_the_tokens_that_sglang_gives_it(told: list[dict[str, Any]]) -> None:
    planned = [budget.tokens(budget.fraction) for budget in budgets()]
    assert len(planned) > 20 and min(planned) < 20_000 < 200_000 < max(planned)
    assert [answer["tokens"] for answer in told[: len(planned)]] == planned


def test_flashinfer_makes_the_wrappers_that_are_counted(told: list[dict[str, Any]]) -> None:
    for made, answer in zip(trees(), told[len(budgets()) :], strict=True):
        counted = made.wrappers, made.graph_wrappers, made.second_wrappers
        names = "wrappers", "graph_wrappers", "second_wrappers"
        assert tuple(answer[name] for name in names) == counted, made.tree


def test_flashinfer_takes_the_bytes_that_are_planned(told: list[dict[str, Any]]) -> None:
    """To the byte but for a few numbers a request."""
    for made, answer in zip(trees(), told[len(budgets()) :], strict=True):
        indices = made.graph_bytes - made.graph_wrappers * 8 * MIB
        assert answer["graph_bytes"] == pytest.approx(indices, abs=1024), made.tree
        second = made.second_bytes - made.second_wrappers * 8 * MIB
        assert answer["second_bytes"] == pytest.approx(second, abs=1024), made.tree
        assert second > WORKSPACE_BYTES
