"""The arithmetic of a memory plan: what is there, what is taken, what is left. Pure.

SGLang counts so: of the memory that is free before it loads, the share
``--mem-fraction-static`` is for weights and KV cache, the rest stays for everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from chatapp.domain import Card
from chatapp.engine.planning.activations import activation_bytes
from chatapp.engine.planning.flashinfer import FlashInfer
from chatapp.engine.planning.graphs import Graphs
from chatapp.engine.planning.kv_cache import cache_tokens, cell_bytes, pool_bytes
from chatapp.engine.planning.loaded import Loaded
from chatapp.engine.planning.presets import Preset
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.units import GIB, MIB

# Kept by the driver where it does not say how much. Cards of 8192, 12288 and 24564 MiB are
# known to show CUDA 7977, 12042 and 24217: these are a little more.
DRIVER_BYTES = 200 * MIB
DRIVER_SHARE = 0.008
CUDA_CONTEXT_BYTES = 600 * MIB
# Until a card has shown that less will do.
RESERVE_BYTES = 1536 * MIB
PREFIXES_KEPT = 8
SLACK_BYTES = GIB


@dataclass(frozen=True, slots=True)
class Budget:
    card: Card
    pair: PlannedPair
    preset: Preset
    context: int | None = None

    # What is there

    @property
    def driver(self) -> int:
        if self.card.driver_bytes is not None:
            return self.card.driver_bytes
        return DRIVER_BYTES + int(self.card.bytes * DRIVER_SHARE)

    @property
    def available(self) -> int:
        """What is free when the engine begins to load."""
        taken = self.card.others_bytes + self.driver + CUDA_CONTEXT_BYTES
        return max(0, self.card.bytes - taken)

    # What is taken

    @property
    def loaded(self) -> Loaded:
        return Loaded(self.pair, self.preset.quantization, self.context_wanted)

    @property
    def flashinfer(self) -> FlashInfer:
        return FlashInfer(
            self.pair.tree, self.preset.graph_sizes, self.context_wanted, self.pair.has_draft
        )

    @property
    def graphs(self) -> Graphs:
        return Graphs(self.pair, self.preset, self.flashinfer)

    @property
    def second_state(self) -> int:
        """Of speculation off: the switch keeps both states ready, where there is a draft."""
        return self.flashinfer.second_bytes + self.graphs.second_bytes

    @property
    def activations(self) -> int:
        return activation_bytes(self.pair, self.preset)

    @property
    def later(self) -> int:
        """What is taken once the KV cache is there."""
        attention = self.flashinfer.standing_bytes
        return attention + self.graphs.bytes + self.second_state + self.activations

    # The KV cache

    @property
    def dtype(self) -> str:
        return self.preset.kv_cache_dtype or self.pair.dtype

    @property
    def cell(self) -> int:
        return cell_bytes(self.pair, self.dtype)

    @property
    def spare_tokens(self) -> int:
        """Twice what a step reserves for every stream (mem_cache/allocation_sizing.py:62)."""
        return 2 * self.pair.tree.reserved_tokens * self.preset.max_running

    def tokens(self, fraction: float) -> int:
        free = self.available - self.loaded.bytes
        return cache_tokens(self.available, free, fraction, self.cell)

    def pools(self, tokens: int) -> tuple[int, int]:
        """Bytes of the target's cache and of the draft's."""
        target, draft = self.pair.target, self.pair.draft
        return (
            pool_bytes(tokens, target.layers, target.kv_bytes_per_token(self.dtype)),
            pool_bytes(tokens, draft.layers, draft.kv_bytes_per_token(self.dtype)),
        )

    @property
    def context_wanted(self) -> int:
        longest = self.pair.longest_context
        if self.context:
            return min(self.context, longest)
        whole = self.preset.longest_context
        return longest if whole else min(self.pair.context_length, longest)

    # What is left

    def unspoken(self, fraction: float) -> int:
        """What nobody has been given, the reserve included. The draft's own embedding is
        free again by then."""
        held = self.loaded.bytes - self.loaded.embedding + sum(self.pools(self.tokens(fraction)))
        return self.available - held - self.later

    @property
    def most(self) -> float:
        """The largest share, in thousandths, that leaves the reserve unspoken."""
        if not self.available:
            return 0.0
        rest = self.later + RESERVE_BYTES - self.loaded.embedding
        share = min(0.999, math.floor(1000 * (1 - rest / self.available)) / 1000)
        while self.tokens(share) and self.unspoken(share) < RESERVE_BYTES:
            share = round(share - 0.001, 3)
        return max(0.0, share)

    @property
    def enough(self) -> float:
        """A small pair takes no more of the card than it can use, with room to remember
        many conversations."""
        conversations = PREFIXES_KEPT * self.preset.max_running
        kept = conversations * Budget(self.card, self.pair, self.preset).context_wanted
        needed = self.loaded.bytes + kept * self.cell + SLACK_BYTES
        return min(1.0, math.ceil(1000 * needed / max(self.available, 1)) / 1000)

    @property
    def fraction(self) -> float:
        """The preset's where it names one and the card can bear it, else the most."""
        said, most = self.preset.mem_fraction_static, self.most
        return min(most if said is None else min(said, most), self.enough)
