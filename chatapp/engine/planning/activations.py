"""What a step needs while it runs. Pure estimates: torch frees and takes it again."""

from __future__ import annotations

from chatapp.engine.planning.presets import Preset
from chatapp.pairs.files.shapes import ITEM_BYTES, PlannedPair
from chatapp.units import MIB

# Code of kernels that are loaded when they are first needed: FlashInfer's, SGLang's.
KERNEL_BYTES = 192 * MIB
# A workspace of cuBLAS for each stream that multiplies; three do.
MULTIPLY_BYTES = 3 * 8 * MIB
# Copies of the probabilities of a verified tree, with a temperature: softmax, top-k, top-p,
# the draft's zeros, the logits divided (speculative/eagle_utils.py:724 to :745).
PROBABILITIES = 5


def activation_bytes(pair: PlannedPair, preset: Preset) -> int:
    """A prefill outside of the graphs, or a verified tree being sampled from."""
    rows = preset.max_running * pair.tree.draft_tokens
    sampled = PROBABILITIES * rows * pair.target.vocabulary * ITEM_BYTES["float32"]
    return KERNEL_BYTES + MULTIPLY_BYTES + prefill_bytes(pair, preset) + sampled


def prefill_bytes(pair: PlannedPair, preset: Preset) -> int:
    """What lives at once in a layer while a chunk is read, and half as much again for what
    torch cannot use of the holes: queries, keys, values and what attention returns, the
    features that the draft reads, hidden states, the gate of the MLP with both its halves."""
    shape, attention = pair.target, pair.target.attention
    qkv = (2 * attention.heads + 2 * attention.kv_heads) * attention.head_dim
    features = (pair.draft.features + 5) * shape.hidden
    per_token = (qkv + features + 3 * shape.intermediate) * ITEM_BYTES[pair.dtype]
    return preset.chunked_prefill * per_token * 3 // 2
