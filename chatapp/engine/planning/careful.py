"""More careful ways to run an engine that broke, and what each of them costs. Pure.

``memory``  leaves an eighth of the card to nobody, so the KV cache is smaller;
``pool``    the same on a CPU: fewer tokens in the KV cache;
``graphs``  runs without CUDA graphs;
``tree``    verifies fewer tokens at a time;
``draft``   runs without a draft, so without speculation.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from chatapp.domain import Card, Caution, Pair, Tree
from chatapp.engine.planning.cpu_plan import cpu_kv_tokens
from chatapp.pairs.drafters import DRAFTERS
from chatapp.units import GIB

NAMES = ("memory", "pool", "graphs", "tree", "draft")
_NO_GRAPHS = ("--disable-decode-cuda-graph", "--disable-prefill-cuda-graph")
# Where less memory, fewer graphs or a smaller batch may be what was missing. A file that is
# broken or an argument that is wrong stays so.
_MAY_HELP = frozenset(
    {
        *("engine_no_room_for_cache", "engine_graphs", "engine_pool_full", "engine_hangs"),
        *("engine_out_of_video_memory", "engine_out_of_memory", "engine_illegal_access"),
        *("engine_killed", "engine_ended", "engine_failed"),
    }
)


@dataclass(frozen=True, slots=True)
class Setup:
    """How an engine is started. ``arguments`` are SGLang's own beside those of the pair,
    ``cautions`` name what was done about it here."""

    pair: Pair
    arguments: tuple[str, ...] = ()
    speculation: bool = True
    cautions: tuple[str, ...] = ()


def spared(card: Card) -> Card:
    """The card as the plan shall see it under ``memory``."""
    return replace(card, others_bytes=card.others_bytes + card.bytes // 8)


def careful(pair: Pair, arguments: tuple[str, ...], names: Collection[str]) -> Setup:
    """The pair, and the person's ``arguments``, as they run with these cautions, which win.
    ``memory`` is the plan's, made for ``spared``."""
    if "pool" in names:
        arguments += ("--max-total-tokens", str(_smaller_pool(pair)))
    if "graphs" in names:
        arguments += _NO_GRAPHS
    if "tree" in names:
        pair = replace(pair, tree=_smaller_tree(pair))
    return Setup(pair, arguments, "draft" not in names, tuple(names))


def cautions(
    failure: str, pair: Pair, card: Card | None, names: Collection[str]
) -> tuple[Caution, ...]:
    """What may help against ``failure`` beside ``names``, which are in force. Without
    ``card`` the engine runs on the CPU."""
    if failure not in _MAY_HELP:
        return ()
    costs: dict[str, dict[str, object] | None] = {
        "memory": {"gb": f"{card.bytes / 8 / GIB:.1f}"} if card else None,
        "pool": None if card else _pool_cost(pair),
        "graphs": {} if card else None,
        "tree": _tree_cost(pair) if "draft" not in names else None,
        "draft": {},
    }
    return tuple(
        Caution(name, {key: str(value) for key, value in cost.items()})
        for name, cost in costs.items()
        if cost is not None and name not in names
    )


def _smaller_pool(pair: Pair) -> int:
    return max(pair.context_length, cpu_kv_tokens(pair.context_length) // 2)


def _pool_cost(pair: Pair) -> dict[str, object] | None:
    before, after = cpu_kv_tokens(pair.context_length), _smaller_pool(pair)
    return {"before": f"{before:,}", "after": f"{after:,}"} if after < before else None


def _smaller_tree(pair: Pair) -> Tree:
    """The smallest that its drafter is run with."""
    return min((pair.tree, *DRAFTERS[pair.drafter].trees), key=lambda tree: tree.draft_tokens)


def _tree_cost(pair: Pair) -> dict[str, object] | None:
    """A verify step gains what it accepts of a path of the tree, and the bonus token."""
    small = _smaller_tree(pair)
    if small == pair.tree:
        return None
    return {"tree": small, "before": pair.tree.steps + 1, "after": small.steps + 1}
