"""The plan of the video memory, made before the engine is started. Pure.

Weights, KV cache, RoPE tables and FlashInfer's workspaces follow from the shapes and from
SGLang's source; what CUDA, graphs and activations take is estimated, cautiously, and
marked so. The ledger shows what all of it came to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chatapp.domain import Card
from chatapp.engine.planning.budget import RESERVE_BYTES, Budget
from chatapp.engine.planning.presets import Preset
from chatapp.engine.planning.row import MemoryRow, Note
from chatapp.engine.planning.rows import rows
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.units import memory_gb

LEAST_CONTEXT = 2048
CONTEXT_STEP = 1024


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """``kv_bytes_per_token`` counts target and draft, as SGLang does. ``kv_tokens`` is what
    the KV cache holds in all, ``streams`` how many conversations fit at full
    ``context_length``; ``mem_fraction_most`` is as far as one may go."""

    pair: PlannedPair
    preset: Preset
    card_bytes: int
    rows: tuple[MemoryRow, ...]
    fits: bool
    kv_bytes_per_token: int
    kv_tokens: int
    context_length: int
    streams: int
    mem_fraction_static: float
    mem_fraction_most: float
    reasons: tuple[Note, ...] = ()
    advice: tuple[Note, ...] = ()

    @property
    def free_bytes(self) -> int:
        """Of the card, what the plan leaves to nobody in particular."""
        return self.card_bytes - sum(row.bytes for row in self.rows)

    @property
    def unspoken_bytes(self) -> int:
        """That, and the reserve."""
        return self.free_bytes + RESERVE_BYTES

    def row(self, key: str) -> int:
        return next(row.bytes for row in self.rows if row.key == key)


def plan(card: Card, pair: PlannedPair, preset: Preset, context: int | None = None) -> MemoryPlan:
    """``context`` is what somebody wants; without it, as much as is sensible."""
    budget = Budget(card, pair, preset, context)
    fraction, wanted = budget.fraction, budget.context_wanted
    tokens = budget.tokens(fraction)
    length = _context(wanted, tokens - budget.spare_tokens)
    enough = length >= (wanted if context else min(wanted, LEAST_CONTEXT))
    made = MemoryPlan(
        pair=pair,
        preset=preset,
        card_bytes=card.bytes,
        rows=rows(budget, tokens),
        fits=enough and budget.loaded.peak <= budget.available,
        kv_bytes_per_token=budget.cell,
        kv_tokens=tokens,
        context_length=length,
        streams=_streams(budget, tokens, length),
        mem_fraction_static=fraction,
        mem_fraction_most=budget.most,
    )
    return replace(made, reasons=tuple(_reasons(made, budget)))


def _context(wanted: int, room: int) -> int:
    return wanted if wanted <= room else max(0, room // CONTEXT_STEP * CONTEXT_STEP)


def _streams(budget: Budget, tokens: int, context: int) -> int:
    if not context:
        return 0
    each = context + 2 * budget.pair.tree.reserved_tokens
    return max(1, min(budget.preset.max_running, tokens // each))


def _reasons(made: MemoryPlan, budget: Budget) -> list[Note]:
    if not made.fits:
        return _obstacles(made, budget)
    notes = [_fraction_note(made, budget), _context_note(made, budget)]
    if lost := budget.loaded.embedding // budget.cell:
        size = memory_gb(budget.loaded.embedding)
        notes.append(Note("embedding", {"size": size, "tokens": f"{lost:,}"}))
    listed = " ".join(map(str, made.preset.graph_sizes))
    notes.append(Note("graphs", {"sizes": listed, "running": str(made.preset.max_running)}))
    if made.preset.quantization:
        notes.append(Note("quantised", {"format": made.preset.quantization}))
    return notes


def _fraction_note(made: MemoryPlan, budget: Budget) -> Note:
    share, values = made.mem_fraction_static, {"most": f"{made.mem_fraction_most:.3f}"}
    values |= {"share": f"{share:.3f}", "reserve": memory_gb(RESERVE_BYTES)}
    if share == budget.enough:
        return Note("fraction_enough", values)
    kept = share == made.preset.mem_fraction_static
    return Note("fraction_kept" if kept else "fraction_planned", values)


def _context_note(made: MemoryPlan, budget: Budget) -> Note:
    wanted, trained = budget.context_wanted, made.pair.longest_context
    values = {"tokens": str(made.context_length), "wanted": str(wanted), "trained": str(trained)}
    if made.context_length < wanted:
        return Note("context_cut", values)
    if budget.context is None:
        return Note("context_pair", values)
    return Note("context_trained" if budget.context > trained else "context_asked", values)


def _obstacles(made: MemoryPlan, budget: Budget) -> list[Note]:
    notes, loaded = [], budget.loaded
    if loaded.peak > budget.available:
        values = {"size": memory_gb(loaded.peak), "free": memory_gb(budget.available)}
        notes.append(Note("loading", values))
    static = int(budget.available * made.mem_fraction_static)
    if loaded.bytes > static:
        values = {"size": memory_gb(loaded.bytes), "share": memory_gb(static)}
        notes.append(Note("weights", values))
    elif made.kv_tokens:
        values = {"tokens": str(made.kv_tokens), "least": str(LEAST_CONTEXT)}
        notes.append(Note("tokens", values))
    return notes
