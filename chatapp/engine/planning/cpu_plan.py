"""What an engine without a GPU should hold in memory, by the same rows as on one. Pure."""

from __future__ import annotations

from chatapp.engine.planning.row import MemoryRow
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.units import MIB

# Three processes with Python, torch and SGLang in them, and nothing else yet.
PROCESS_BYTES = 3 * 550 * MIB
CPU_DTYPE = "float32"
MAX_RUNNING = 4  # requests at once
_POOL_TOKENS = 16384


def cpu_kv_tokens(context_length: int) -> int:
    """Tokens in the KV cache: four whole contexts where that is not much, at least one."""
    return max(context_length, min(MAX_RUNNING * context_length, _POOL_TOKENS))


def cpu_rows(pair: PlannedPair, kv_tokens: int) -> tuple[MemoryRow, ...]:
    """``kv_tokens`` as ``cpu_kv_tokens`` gives them."""
    target, draft = pair.target, pair.draft
    rows = (
        MemoryRow("processes", PROCESS_BYTES, estimated=True),
        MemoryRow("target", target.weight_bytes(CPU_DTYPE)),
        MemoryRow("draft", draft.weight_bytes(CPU_DTYPE)),
        MemoryRow("kv_target", kv_tokens * target.kv_bytes_per_token(CPU_DTYPE)),
        MemoryRow("kv_draft", kv_tokens * draft.kv_bytes_per_token(CPU_DTYPE)),
    )
    return tuple(row for row in rows if row.bytes or pair.has_draft)
