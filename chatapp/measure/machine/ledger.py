"""The ledger: what holds the memory, planned and real side by side, and over time. Pure.

Its rows are those of the plan. Real figures come from the engine's own account of itself
(target's weights, its KV cache, CUDA graphs), from our plug-in (the draft's, the second
state) and from the driver or the system (all that the engine holds, and the others). Of
rows that nobody tells, only what they come to together is known: it stands in one row,
*rest*; nothing is split by guessing. A figure that nobody tells is None.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatapp.domain import MemorySample
from chatapp.units import GIB

FULL_SHARE = 0.99
GAP_S = 5.0
SECOND_STATE = "eaglechat_second_state"
DRAFT = "eaglechat_draft"
# The rows of the plan that the engine holds, in its order.
ENGINE = (
    *("context", "processes", "target", "draft", "kv_target", "kv_draft"),
    *("workspace", "graphs", "second_state", "activations"),
)


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """What the engine says of itself, in bytes. On a CPU it tells little. ``graph_bytes``
    are without those of the second state, which ``second_bytes`` counts."""

    target_bytes: int | None = None
    kv_bytes: int | None = None
    graph_bytes: int | None = None
    kv_tokens: int | None = None
    draft_bytes: int | None = None
    kv_draft_bytes: int | None = None
    second_bytes: int | None = None

    @classmethod
    def told(cls, server_info: Mapping[str, Any]) -> EngineMemory | None:
        """From ``/server_info``; None when it says nothing of its memory."""
        states = server_info.get("internal_states") or ()
        state = states[0] if states else {}
        usage = state.get("memory_usage")
        if not isinstance(usage, Mapping):
            return None
        draft, second = state.get(DRAFT) or {}, state.get(SECOND_STATE) or {}
        graphs = sum(_bytes(size) or 0 for size in (usage.get("graph") or {}).values())
        return cls(
            target_bytes=_bytes(usage.get("weight")),
            kv_bytes=_bytes(usage.get("kvcache")),
            graph_bytes=max(0, graphs - (second.get("graph_bytes") or 0)),
            kv_tokens=usage.get("token_capacity"),
            draft_bytes=draft.get("weights"),
            kv_draft_bytes=draft.get("kv_cache"),
            second_bytes=second.get("bytes"),
        )

    @property
    def rows(self) -> dict[str, int | None]:
        """By the keys of the plan's rows."""
        return {
            "target": self.target_bytes,
            "draft": self.draft_bytes,
            "kv_target": self.kv_bytes,
            "kv_draft": self.kv_draft_bytes,
            "graphs": self.graph_bytes,
            "second_state": self.second_bytes,
        }

    @property
    def told_bytes(self) -> int:
        return sum(size or 0 for size in self.rows.values())


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One row of the plan, or one of the ledger's own: rest, engine, others, free."""

    key: str
    planned: int | None
    real: int | None

    @property
    def difference(self) -> int | None:
        if self.planned is None or self.real is None:
            return None
        return self.real - self.planned


@dataclass(frozen=True, slots=True)
class Ledger:
    """``on`` is "gpu", "cpu", or "lost" while the card does not answer. The rows before
    ``engine`` add up to it where all is known."""

    on: str
    total_bytes: int | None
    rows: tuple[LedgerRow, ...]
    kv_tokens_planned: int | None
    kv_tokens: int | None


def ledger(
    sample: MemorySample,
    engine: EngineMemory | None,
    planned: Mapping[str, int] | None = None,
    kv_tokens_planned: int | None = None,
) -> Ledger:
    """``planned``: the plan's rows by key. Of the card that the engine runs on where there
    is one; while that does not answer, only what the engine says of itself."""
    tokens = engine.kv_tokens if engine else None
    if sample.gpu_lost:
        alone = tuple(_inside(None, engine, planned or {}))
        return Ledger("lost", None, alone, kv_tokens_planned, tokens)
    if card := sample.gpu:
        held, total, free = card.engine_bytes, card.total_bytes, card.free_bytes
        kept = card.reserved_bytes
    else:
        held = sum(process.resident_bytes for process in sample.engine) or None
        total, free, kept = sample.total_bytes, sample.available_bytes, 0
    inside = _inside(held, engine, planned or {})
    outside = _outside(held, total, free, kept, inside, planned or {})
    return Ledger(
        on="gpu" if sample.gpu else "cpu",
        total_bytes=total,
        rows=(*inside, *outside),
        kv_tokens_planned=kv_tokens_planned,
        kv_tokens=tokens,
    )


def _inside(
    held: int | None, engine: EngineMemory | None, planned: Mapping[str, int]
) -> list[LedgerRow]:
    """What the engine holds, row by row, and the rest of it."""
    told = engine.rows if engine else {}
    rows = [
        LedgerRow(key, planned.get(key), told.get(key))
        for key in ENGINE
        if key in planned or told.get(key)
    ]
    untold = [row.planned or 0 for row in rows if row.real is None]
    rest = None if held is None or engine is None else max(0, held - engine.told_bytes)
    return [*rows, LedgerRow("rest", sum(untold) if planned else None, rest)]


def _outside(
    held: int | None,
    total: int,
    free: int,
    kept: int,
    inside: Sequence[LedgerRow],
    planned: Mapping[str, int],
) -> list[LedgerRow]:
    """The engine as a whole, and what is not its: of the plan's, what is given to nobody
    and the reserve are free as long as nobody takes them."""
    engine = sum(planned.get(row.key, 0) for row in inside) if planned else None
    others = None if held is None else max(0, total - free - kept - held)
    beside = planned.get("others", 0) + planned.get("driver", 0)
    driver = [LedgerRow("driver", planned.get("driver"), kept or None)]
    return [
        LedgerRow("engine", engine, held),
        LedgerRow("others", planned.get("others"), others),
        *(driver if kept or "driver" in planned else ()),
        LedgerRow("free", None if engine is None else total - engine - beside, free),
    ]


def _bytes(gib: Any) -> int | None:
    return int(gib * GIB) if isinstance(gib, int | float) and gib >= 0 else None


@dataclass(frozen=True, slots=True)
class Point:
    """The memory at one moment; ``kv_share`` of the KV cache was in use. ``full``: it had
    no room left, so that requests waited or were put back."""

    at: float
    used_bytes: int
    total_bytes: int
    engine_bytes: int | None
    kv_share: float | None = None
    full: bool = False


class History:
    """The last points, one a second; the oldest are dropped."""

    def __init__(self, length: int = 900) -> None:
        self._points: deque[Point] = deque(maxlen=length)

    def add(self, sample: MemorySample, kv_share: float | None, retracted: bool = False) -> None:
        """``retracted``: the engine said that it had to put a request back. While the card
        does not answer there is nothing to remember."""
        if sample.gpu_lost:
            return
        used, total, engine = _held(sample)
        full = retracted or (kv_share is not None and kv_share >= FULL_SHARE)
        self._points.append(Point(sample.at, used, total, engine, kv_share, full))

    def points(self) -> Sequence[Point]:
        return tuple(self._points)


def unbroken(points: Sequence[Point]) -> list[list[Point]]:
    """In pieces, where nobody looked for a while or the card did not answer."""
    pieces: list[list[Point]] = []
    for point in points:
        if not pieces or point.at - pieces[-1][-1].at > GAP_S:
            pieces.append([])
        pieces[-1].append(point)
    return pieces


def _held(sample: MemorySample) -> tuple[int, int, int | None]:
    """In use, in all, by the engine: of its card where it has one."""
    if card := sample.gpu:
        return card.used_bytes, card.total_bytes, card.engine_bytes
    resident = sum(process.resident_bytes for process in sample.engine)
    return sample.total_bytes - sample.available_bytes, sample.total_bytes, resident or None


def kv_share(loads: Any) -> float | None:
    """From ``/v1/loads``: how much of the KV cache is in use; None when it does not say."""
    entries = loads.get("loads") if isinstance(loads, Mapping) else loads
    first = entries[0] if isinstance(entries, Sequence) and entries else None
    if not isinstance(first, Mapping):
        return None
    used, most = first.get("num_used_tokens"), first.get("max_total_num_tokens")
    return used / most if isinstance(used, int) and most else None
