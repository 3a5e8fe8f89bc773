"""What SGLang does not tell of its memory: the draft's share of it, in bytes."""

from __future__ import annotations

from typing import Any


def draft_memory(worker: Any) -> dict[str, int]:
    """Of an ``EAGLEWorkerV2``: weights and tables that only the draft has, and its KV cache."""
    draft, target = worker._draft_worker.draft_runner, worker._target_worker.model_runner
    shared = {tensor.data_ptr() for tensor in _tensors(target.model)}
    own = {tensor.data_ptr(): tensor.nbytes for tensor in _tensors(draft.model)}
    return {
        "weights": sum(size for place, size in own.items() if place not in shared),
        "kv_cache": round(draft.token_to_kv_pool.mem_usage * (1 << 30)),
    }


def graph_memory(worker: Any) -> int:
    """Of the draft's CUDA graphs and of those that were captured for further states."""
    used: dict[str, float] = worker.graph_memory_usage
    return round(sum(used.values()) * (1 << 30))


def _tensors(model: Any) -> list[Any]:
    return [*model.parameters(), *model.buffers()]
