"""The ledger: what holds the memory, planned and real side by side, and over time. Pure.

Real figures come from the engine's own account of itself (target's weights, its KV cache,
CUDA graphs) and from the driver or the system (all that the engine holds, and the others).
What only the difference of the two tells stands in one row, *rest*; nothing is split by
guessing. A figure that nobody tells is None.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatapp.domain import MemorySample
from chatapp.units import GIB

FULL_SHARE = 0.99
# What the plan counts apart and the engine does not: they are the rest.
REST = ("context", "draft", "rope", "kv_draft", "workspace", "second_state", "activations")


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """What the engine says of itself, in bytes. On a CPU it tells little."""

    target_bytes: int | None
    kv_bytes: int | None
    graph_bytes: int | None
    kv_tokens: int | None

    @classmethod
    def told(cls, server_info: Mapping[str, Any]) -> EngineMemory | None:
        """From ``/server_info``; None when it says nothing of its memory."""
        states = server_info.get("internal_states") or ()
        usage = states[0].get("memory_usage") if states else None
        if not isinstance(usage, Mapping):
            return None
        graphs = usage.get("graph") or {}
        return cls(
            target_bytes=_bytes(usage.get("weight")),
            kv_bytes=_bytes(usage.get("kvcache")),
            graph_bytes=sum(_bytes(size) or 0 for size in graphs.values()),
            kv_tokens=usage.get("token_capacity"),
        )

    @property
    def told_bytes(self) -> int:
        return sum(size or 0 for size in (self.target_bytes, self.kv_bytes, self.graph_bytes))


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """``ledger.rows.KEY`` names it."""

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
    """``on`` is "gpu" or "cpu". The rows before ``total`` add up to it where all is known."""

    on: str
    total_bytes: int
    rows: tuple[LedgerRow, ...]
    kv_tokens_planned: int | None
    kv_tokens: int | None


def ledger(
    sample: MemorySample,
    engine: EngineMemory | None,
    planned: Mapping[str, int] | None = None,
    kv_tokens_planned: int | None = None,
) -> Ledger:
    """``planned``: the plan's rows by key. Of the card that the engine runs on
    where there is one."""
    if card := sample.gpu:
        held, total = card.engine_bytes, card.total_bytes
        used = total - card.free_bytes
    else:
        held = sum(process.resident_bytes for process in sample.engine) or None
        used = sample.total_bytes - sample.available_bytes
        total = sample.total_bytes
    return Ledger(
        on="gpu" if sample.gpu else "cpu",
        total_bytes=total,
        rows=tuple(_rows(held, used, total, engine, planned or {})),
        kv_tokens_planned=kv_tokens_planned,
        kv_tokens=engine.kv_tokens if engine else None,
    )


def _rows(
    held: int | None,
    used: int,
    total: int,
    engine: EngineMemory | None,
    planned: Mapping[str, int],
) -> list[LedgerRow]:
    told = engine or EngineMemory(None, None, None, None)
    rest = None if held is None or engine is None else max(0, held - engine.told_bytes)
    rest_planned = sum(planned.get(key, 0) for key in REST) if planned else None
    rows = [
        LedgerRow("target", planned.get("target"), told.target_bytes),
        LedgerRow("kv_target", planned.get("kv_target"), told.kv_bytes),
        LedgerRow("graphs", planned.get("graphs"), told.graph_bytes),
        LedgerRow("rest", rest_planned, rest),
    ]
    whole = sum(row.planned or 0 for row in rows) if planned else None
    others = None if held is None else max(0, used - held)
    return [
        *rows,
        LedgerRow("engine", whole, held),
        LedgerRow("others", planned.get("others"), others),
        LedgerRow("free", _free(total, whole, planned), total - used),
    ]


def _free(total: int, engine: int | None, planned: Mapping[str, int]) -> int | None:
    """The plan's reserve is free memory as long as nobody takes it."""
    kept = planned.get("others", 0) + planned.get("driver", 0)
    return None if engine is None else total - engine - kept


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
        """``retracted``: the engine said that it had to put a request back."""
        whole = ledger(sample, None)
        by_key = {row.key: row.real for row in whole.rows}
        free = by_key["free"] or 0
        self._points.append(
            Point(
                at=sample.at,
                used_bytes=whole.total_bytes - free,
                total_bytes=whole.total_bytes,
                engine_bytes=by_key["engine"],
                kv_share=kv_share,
                full=retracted or (kv_share is not None and kv_share >= FULL_SHARE),
            )
        )

    def points(self) -> Sequence[Point]:
        return tuple(self._points)


def kv_share(loads: Any) -> float | None:
    """From ``/v1/loads``: how much of the KV cache is in use; None when it does not say."""
    entries = loads.get("loads") if isinstance(loads, Mapping) else loads
    first = entries[0] if isinstance(entries, Sequence) and entries else None
    if not isinstance(first, Mapping):
        return None
    used, most = first.get("num_used_tokens"), first.get("max_total_num_tokens")
    return used / most if isinstance(used, int) and most else None
