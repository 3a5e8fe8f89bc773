"""What CUDA graphs take of the card. Pure.

Which sizes are captured follows from SGLang's own lists; bytes per graph are estimates,
and the ledger shows what they came to. Lines are those of SGLang 0.5.23.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatapp.engine.planning.activations import prefill_bytes
from chatapp.engine.planning.flashinfer import FlashInfer
from chatapp.engine.planning.presets import Preset
from chatapp.pairs.files.shapes import ITEM_BYTES, PlannedPair
from chatapp.units import MIB

# SGLang's own figure for one size of prefill (arg_groups/memory_hook.py:386).
TARGET_GRAPH_BYTES = 8 * MIB
# One layer where the target has 36; a graph takes a megabyte or two however small it is.
DRAFT_GRAPH_BYTES = 2 * MIB


@dataclass(frozen=True, slots=True)
class Graphs:
    """Of the target: prefill, verify. Of the draft: prefill (speculative/
    eagle_worker_v2.py:293), drafting, extending. Verify once more, of one token, for the
    state with speculation off."""

    pair: PlannedPair
    preset: Preset
    flashinfer: FlashInfer

    @property
    def bytes(self) -> int:
        sizes, prefill = len(self.preset.graph_sizes), len(prefill_sizes(self.preset))
        graphs = (prefill + sizes) * TARGET_GRAPH_BYTES
        if self.pair.has_draft:
            graphs += (prefill + (self.pair.tree.steps + 1) * sizes) * DRAFT_GRAPH_BYTES
        return graphs + self._pool + self._buffers + self.flashinfer.graph_bytes

    @property
    def second_bytes(self) -> int:
        sizes = len(self.preset.graph_sizes) if self.pair.has_draft else 0
        return sizes * TARGET_GRAPH_BYTES

    @property
    def _pool(self) -> int:
        """All graphs share one pool of memory (model_executor/runner_utils/pool.py), which
        is as large as the largest of them wants: a prefill of a whole chunk."""
        return prefill_bytes(self.pair, self.preset) if prefill_sizes(self.preset) else 0

    @property
    def _buffers(self) -> int:
        """Logits of target and draft (model_executor/graph_shared_output.py), and the
        target's features that the draft's prefill reads
        (model_executor/runner/prefill_cuda_graph_runner.py:648)."""
        pair = self.pair
        rows = max(self.preset.graph_sizes) * pair.tree.draft_tokens
        vocabularies = pair.target.vocabulary + pair.draft.draft_vocabulary
        features = pair.draft.features * pair.target.hidden * ITEM_BYTES[pair.dtype]
        read = self.preset.chunked_prefill * features if prefill_sizes(self.preset) else 0
        return rows * vocabularies * ITEM_BYTES["float32"] + read


def prefill_sizes(preset: Preset) -> tuple[int, ...]:
    """Tokens that SGLang captures a prefill of, up to a whole chunk
    (arg_groups/cuda_graph_hook.py:480)."""
    if not preset.prefill_graphs:
        return ()
    chunk = preset.chunked_prefill
    listed = [*range(4, 33, 4), *range(48, 257, 16), *range(288, 513, 32)]
    listed += [*range(576, 1025, 64), *range(1280, 4097, 256), *range(4608, chunk + 1, 512)]
    return tuple(size for size in listed if size <= chunk)
