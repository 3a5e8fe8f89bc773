"""What lies on the card once both models are loaded, and while they load. Pure.

Lines are those of SGLang 0.5.23.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chatapp.engine.planning.kv_cache import block
from chatapp.pairs.files.shapes import ITEM_BYTES, PlannedPair
from chatapp.units import MIB

# torch gives tensors from this size on blocks of their own
# (c10/cuda/CUDACachingAllocator.h, kMinLargeAlloc).
_LARGE = 10 * MIB
_ROPE_ITEM_BYTES = 4  # float32 on CUDA (layers/rotary_embedding/base.py:114)


@dataclass(frozen=True, slots=True)
class Loaded:
    """``context``: what the engine is started with."""

    pair: PlannedPair
    quantization: str | None
    context: int

    @property
    def target(self) -> int:
        return self._target(self.quantization)

    @property
    def draft(self) -> int:
        """Without the embedding that it gets from the target."""
        shape, item = self.pair.draft, ITEM_BYTES[self.pair.dtype]
        kept = () if self.embedding else (self._embedding,)
        matrices = [matrix * item for matrix in shape.matrices]
        return shape.weight_bytes(self.pair.dtype) + _rounding((*matrices, *kept))

    @property
    def embedding(self) -> int:
        """The draft's own: loaded with it, there while the KV cache is sized, freed right
        after (speculative/eagle_worker_v2.py:262, models/llama.py:917), unless the two are
        not equally wide."""
        shape = self.pair.draft
        return block(self._embedding) if shape.target_hidden == shape.hidden else 0

    @property
    def rope(self) -> tuple[int, int]:
        """Bytes of the tables of target and draft."""
        target, draft = self.rope_positions
        return (
            target * self.pair.target.attention.head_dim * _ROPE_ITEM_BYTES,
            draft * self.pair.draft.attention.head_dim * _ROPE_ITEM_BYTES,
        )

    @property
    def rope_positions(self) -> tuple[int, int]:
        """Of target and draft: all that each was trained for, and at least the context with
        room for drafts (models/qwen3.py:216, models/llama.py:225, utils/common.py:4999)."""
        tree = self.pair.tree
        needed = self.context + 2 * tree.steps * tree.draft_tokens + 256
        aligned = -(-needed // 128) * 128
        return max(self.pair.target.context, aligned), max(self.pair.draft.context, aligned)

    @property
    def bytes(self) -> int:
        return self.target + self.draft + self.embedding + sum(self.rope)

    @property
    def peak(self) -> int:
        """While it loads: weights that are to be quantised come whole first."""
        return self._target(None) + self.draft + self.embedding + sum(self.rope)

    def _target(self, quantization: str | None) -> int:
        shape, dtype = self.pair.target, self.pair.dtype
        layer = [matrix * ITEM_BYTES[quantization or dtype] for matrix in shape.layer_matrices]
        return shape.weight_bytes(dtype, quantization) + shape.layers * _rounding(layer)

    @property
    def _embedding(self) -> int:
        shape = self.pair.draft
        return shape.vocabulary * shape.hidden * ITEM_BYTES[self.pair.dtype]


def _rounding(matrices: Iterable[int]) -> int:
    """What torch takes beyond the bytes of tensors that have blocks of their own."""
    return sum(block(size) - size for size in matrices if size >= _LARGE)
