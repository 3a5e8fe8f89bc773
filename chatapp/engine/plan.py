"""Plans the video memory before the engine is started. Pure: arithmetic on shapes.

Weights and KV cache follow from the shapes. CUDA context, graphs and activations are
estimates, marked as such; they are cautious, and the ledger shows what they came to.

SGLang counts so: of the memory that is free before it loads, the share
``--mem-fraction-static`` is for weights and KV cache, the rest stays for everything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from chatapp.domain import Card
from chatapp.engine.presets import Preset
from chatapp.pairs.shapes import ITEM_BYTES, PlannedPair
from chatapp.units import GIB, MIB, memory_gb

LEAST_CONTEXT = 2048
CONTEXT_STEP = 1024

CUDA_CONTEXT_BYTES = 600 * MIB
WORKSPACE_BYTES = 512 * MIB
DECODE_GRAPH_BYTES = 24 * MIB
PREFILL_GRAPH_BYTES = 8 * MIB  # SGLang's own figure
LEAST_RESERVE_BYTES = 400 * MIB
RESERVE_SHARE = 0.03
PREFIXES_KEPT = 8
SLACK_BYTES = GIB


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that takes video memory; ``plan.rows.KEY`` names it."""

    key: str
    bytes: int
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A reason or an advice: ``plan.notes.KEY``."""

    key: str
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """``kv_bytes_per_token`` counts target and draft. ``kv_tokens`` is what the KV cache
    holds in all, ``streams`` how many conversations fit at full ``context_length``;
    ``mem_fraction_most`` is as far as one may go."""

    pair: PlannedPair
    preset: Preset
    card_bytes: int
    rows: tuple[Row, ...]
    fits: bool
    target_bytes: int
    draft_bytes: int
    kv_bytes_per_token: int
    kv_draft_bytes_per_token: int
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


def plan(card: Card, pair: PlannedPair, preset: Preset, context: int | None = None) -> MemoryPlan:
    """``context`` is what somebody wants; without it, as much as is sensible."""
    sizes = _Sizes(card, pair, preset)
    made = sizes.plan(context)
    return replace(made, reasons=_reasons(made, sizes, context))


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The arithmetic of one plan."""

    card: Card
    pair: PlannedPair
    preset: Preset

    def plan(self, context: int | None) -> MemoryPlan:
        fraction = self.fraction
        kv_tokens = max(0, self._kv_bytes(fraction)) // self.kv_per_token
        wanted = self.context_wanted(context)
        fitting = (kv_tokens - self.spare_tokens) // CONTEXT_STEP * CONTEXT_STEP
        length = wanted if wanted <= kv_tokens - self.spare_tokens else max(0, fitting)
        enough = length >= (wanted if context else min(wanted, LEAST_CONTEXT))
        return MemoryPlan(
            pair=self.pair,
            preset=self.preset,
            card_bytes=self.card.bytes,
            rows=self._rows(kv_tokens),
            fits=enough and self.loading <= self.available,
            target_bytes=self.target,
            draft_bytes=self.draft,
            kv_bytes_per_token=self.kv_per_token,
            kv_draft_bytes_per_token=self.kv_per_draft_token,
            kv_tokens=kv_tokens,
            context_length=length,
            streams=self._streams(kv_tokens, length),
            mem_fraction_static=fraction,
            mem_fraction_most=self.most,
        )

    @property
    def target(self) -> int:
        return self.pair.target.weight_bytes(self.pair.dtype, self.preset.quantization)

    @property
    def draft(self) -> int:
        return self.pair.draft.weight_bytes(self.pair.dtype)

    @property
    def loading(self) -> int:
        """While it loads: weights that are quantised come whole first, and the draft has
        an embedding of its own until it gets the target's."""
        shape = self.pair.target
        embedding = shape.vocabulary * shape.hidden * ITEM_BYTES[self.pair.dtype]
        return shape.weight_bytes(self.pair.dtype) + self.draft + embedding

    @property
    def kv_per_token(self) -> int:
        return self.pair.target.kv_bytes_per_token(self.kv_dtype) + self.kv_per_draft_token

    @property
    def kv_per_draft_token(self) -> int:
        return self.pair.draft.kv_bytes_per_token(self.kv_dtype)

    @property
    def kv_dtype(self) -> str:
        return self.preset.kv_cache_dtype or self.pair.dtype

    @property
    def spare_tokens(self) -> int:
        """Room for the drafted tokens of every stream, which are verified in place."""
        return 2 * self.pair.tree.draft_tokens * self.preset.max_running

    @property
    def available(self) -> int:
        """What is free when the engine begins to load."""
        return max(0, self.card.bytes - self.card.others_bytes - CUDA_CONTEXT_BYTES)

    @property
    def graphs(self) -> int:
        """Verify, draft, draft's extend, and the plain step for speculation off."""
        decode = 4 * len(self.preset.graph_sizes) * DECODE_GRAPH_BYTES
        rows = max(self.preset.graph_sizes) * self.pair.tree.draft_tokens
        logits = 2 * rows * self.pair.target.vocabulary * ITEM_BYTES["float32"]
        return decode + logits + _prefill_graphs(self.preset.chunked_prefill) * PREFILL_GRAPH_BYTES

    @property
    def activations(self) -> int:
        shape = self.pair.target
        attention = shape.attention
        qkv = (2 * attention.heads + 2 * attention.kv_heads) * attention.head_dim
        features = (self.pair.draft.features + 5) * shape.hidden
        per_token = (qkv + features + 3 * shape.intermediate) * ITEM_BYTES[self.pair.dtype]
        return WORKSPACE_BYTES + self.preset.chunked_prefill * per_token * 3 // 2

    @property
    def reserve(self) -> int:
        return max(LEAST_RESERVE_BYTES, int(self.card.bytes * RESERVE_SHARE))

    @property
    def most(self) -> float:
        """The largest share that leaves room for all that is not weights or KV cache."""
        if not self.available:
            return 0.0
        rest = self.graphs + self.activations + self.reserve
        return max(0, int((1 - rest / self.available) * 1000)) / 1000

    @property
    def fraction(self) -> float:
        """The preset's where it names one and the card can bear it, else the most."""
        said = self.preset.mem_fraction_static
        share = self.most if said is None else min(said, self.most)
        return min(share, self.enough)

    @property
    def enough(self) -> float:
        """A small pair takes no more of the card than it can use, with room to remember
        many conversations."""
        tokens = PREFIXES_KEPT * self.preset.max_running * self.context_wanted(None)
        needed = self.target + self.draft + tokens * self.kv_per_token + SLACK_BYTES
        return min(1.0, math.ceil(1000 * needed / max(self.available, 1)) / 1000)

    def context_wanted(self, context: int | None) -> int:
        longest = self.pair.longest_context
        if context:
            return min(context, longest)
        return longest if self.preset.longest_context else min(self.pair.context_length, longest)

    def _kv_bytes(self, fraction: float) -> int:
        return int(self.available * fraction) - self.target - self.draft

    def _streams(self, kv_tokens: int, context: int) -> int:
        if not context:
            return 0
        each = context + 2 * self.pair.tree.draft_tokens
        return max(1, min(self.preset.max_running, kv_tokens // each))

    def _rows(self, kv_tokens: int) -> tuple[Row, ...]:
        target_kv = kv_tokens * self.pair.target.kv_bytes_per_token(self.kv_dtype)
        return (
            Row("others", self.card.others_bytes),
            Row("context", CUDA_CONTEXT_BYTES, estimated=True),
            Row("target", self.target),
            Row("draft", self.draft),
            Row("kv_target", target_kv),
            Row("kv_draft", kv_tokens * self.kv_per_draft_token),
            Row("graphs", self.graphs, estimated=True),
            Row("activations", self.activations, estimated=True),
            Row("reserve", self.reserve),
        )


def _prefill_graphs(tokens: int) -> int:
    """How many sizes SGLang captures for prefill chunks of up to ``tokens``."""
    sizes = [*range(4, 33, 4), *range(48, 257, 16), *range(288, 513, 32)]
    sizes += [*range(576, 1025, 64), *range(1280, 4097, 256)]
    return sum(size <= tokens for size in sizes)


def _reasons(made: MemoryPlan, sizes: _Sizes, context: int | None) -> tuple[Note, ...]:
    if not made.fits:
        return tuple(_obstacles(made, sizes))
    notes = [_fraction_note(made, sizes), _context_note(made, sizes, context)]
    listed = " ".join(map(str, made.preset.graph_sizes))
    notes.append(Note("graphs", {"sizes": listed, "running": str(made.preset.max_running)}))
    if made.preset.quantization:
        notes.append(Note("quantised", {"format": made.preset.quantization}))
    return tuple(notes)


def _fraction_note(made: MemoryPlan, sizes: _Sizes) -> Note:
    share, values = made.mem_fraction_static, {"most": f"{made.mem_fraction_most:.3f}"}
    values["share"] = f"{share:.3f}"
    if share == sizes.enough:
        return Note("fraction_enough", values)
    kept = share == made.preset.mem_fraction_static
    return Note("fraction_kept" if kept else "fraction_planned", values)


def _context_note(made: MemoryPlan, sizes: _Sizes, context: int | None) -> Note:
    wanted, trained = sizes.context_wanted(context), made.pair.longest_context
    values = {"tokens": str(made.context_length), "wanted": str(wanted), "trained": str(trained)}
    if made.context_length < wanted:
        return Note("context_cut", values)
    if context is None:
        return Note("context_pair", values)
    return Note("context_trained" if context > trained else "context_asked", values)


def _obstacles(made: MemoryPlan, sizes: _Sizes) -> Iterator[Note]:
    if sizes.loading > sizes.available:
        values = {"size": memory_gb(sizes.loading), "free": memory_gb(sizes.available)}
        yield Note("loading", values)
    weights = made.target_bytes + made.draft_bytes
    static = int(sizes.available * made.mem_fraction_static)
    if weights > static:
        yield Note("weights", {"size": memory_gb(weights), "share": memory_gb(static)})
    elif made.kv_tokens:
        yield Note("tokens", {"tokens": str(made.kv_tokens), "least": str(LEAST_CONTEXT)})
