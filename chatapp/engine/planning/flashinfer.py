"""What FlashInfer takes of the card beside the KV cache, counted in its wrappers. Pure.

Each attention backend of SGLang makes wrappers when it is built, and one more for every
batch size that a CUDA graph is captured for; each of them holds an integer workspace.
Lines are those of SGLang 0.5.23 and flashinfer-python 0.7.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from chatapp.domain import Tree
from chatapp.units import MIB

# For Qwen2 and Qwen3 targets, 384 MiB for others (layers/attention/flashinfer_backend.py:420).
# One for target and draft, one more for the second state (:457, :465).
WORKSPACE_BYTES = 512 * MIB
# flashinfer/prefill.py:2152, :4171 and flashinfer/decode.py:1347.
INTEGER_BYTES = 8 * MIB
# Ragged and paged prefill, verify, decode; without prefill the ragged one and decode
# (layers/attention/flashinfer_backend.py:527 to :560).
BACKEND_WRAPPERS = 4
STEP_WRAPPERS = 2


@dataclass(frozen=True, slots=True)
class FlashInfer:
    """``sizes``: batch sizes of the decode graphs; ``context``: the longest sequence.
    Without a ``draft`` there is the target's backend alone, and one state."""

    tree: Tree
    sizes: tuple[int, ...]
    context: int
    draft: bool = True

    @property
    def wrappers(self) -> int:
        """Of the backends that drafting and verifying need: the target's, the draft's own,
        the draft's for extending (speculative/eagle_worker_v2.py:412, :417), and one for
        each drafting step but the first (layers/attention/flashinfer_backend.py:2475)."""
        if not self.draft:
            return BACKEND_WRAPPERS
        return 3 * BACKEND_WRAPPERS + (self.tree.steps - 1) * STEP_WRAPPERS

    @property
    def graph_wrappers(self) -> int:
        """Of their graphs, for each size: verify, extend, and every drafting step but the
        first (layers/attention/flashinfer_backend.py:1142, :1174)."""
        return (self.tree.steps + 1 if self.draft else 1) * len(self.sizes)

    @property
    def second_wrappers(self) -> int:
        """Of the state with speculation off: a target's and a draft's backend, and a graph
        of the target's for every size (speculative/eagle_worker_v2.py:1793, :1798)."""
        return 2 * BACKEND_WRAPPERS + len(self.sizes) if self.draft else 0

    @property
    def standing_bytes(self) -> int:
        return WORKSPACE_BYTES + self.wrappers * INTEGER_BYTES

    @property
    def graph_bytes(self) -> int:
        """With the indices of verify and extend, and the draft's: one row of indices a step
        (layers/attention/flashinfer_backend.py:2636)."""
        if not self.draft:
            verified = self._indices(self.tree.draft_tokens)
            return self.graph_wrappers * INTEGER_BYTES + verified
        drafted = self.tree.steps * max(self.sizes) * self.tree.topk * self.context * 4
        indices = 2 * self._indices(self.tree.draft_tokens) + drafted
        return self.graph_wrappers * INTEGER_BYTES + indices

    @property
    def second_bytes(self) -> int:
        if not self.draft:
            return 0
        held = self.second_wrappers * INTEGER_BYTES
        return WORKSPACE_BYTES + held + self._indices(1)

    def _indices(self, tokens: int) -> int:
        """Of a captured backend whose requests have ``tokens`` each: for every token an
        index and a mask over the context (layers/attention/flashinfer_backend.py:1107)."""
        return max(self.sizes) * tokens * self.context * (4 + 1)
