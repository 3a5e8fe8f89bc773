"""The rows of a memory plan, each with the figures that say where it comes from. Pure."""

from __future__ import annotations

from chatapp.engine.planning.budget import CUDA_CONTEXT_BYTES, RESERVE_BYTES, Budget
from chatapp.engine.planning.flashinfer import INTEGER_BYTES, WORKSPACE_BYTES
from chatapp.engine.planning.graphs import prefill_sizes
from chatapp.engine.planning.row import MemoryRow
from chatapp.units import MIB


def rows(budget: Budget, tokens: int) -> tuple[MemoryRow, ...]:
    """In the order in which they are taken; ``tokens`` is what the KV cache holds."""
    return (*_before(budget), *_loaded(budget), *_cache(budget, tokens), *_later(budget))


def _before(budget: Budget) -> tuple[MemoryRow, ...]:
    told = budget.card.driver_bytes is not None
    return (
        MemoryRow("others", budget.card.others_bytes),
        MemoryRow("driver", budget.driver, estimated=not told),
        MemoryRow("context", CUDA_CONTEXT_BYTES, estimated=True),
    )


def _loaded(budget: Budget) -> tuple[MemoryRow, ...]:
    """With their RoPE tables, as the engine measures them when it has loaded."""
    pair, loaded = budget.pair, budget.loaded
    tables, positions = loaded.rope, loaded.rope_positions
    form = budget.preset.quantization or pair.dtype
    target = _model(pair.target.parameters, form, positions[0], tables[0])
    draft = _model(pair.draft.parameters, pair.dtype, positions[1], tables[1])
    return (
        MemoryRow("target", loaded.target + tables[0], values=target),
        MemoryRow("draft", loaded.draft + tables[1], values=draft),
    )


def _model(parameters: int, form: str, positions: int, table: int) -> dict[str, str]:
    return {
        "parameters": f"{parameters / 1e9:.2f}",
        "type": form,
        "positions": f"{positions:,}",
        "table": _mebibytes(table),
    }


def _cache(budget: Budget, tokens: int) -> tuple[MemoryRow, ...]:
    target, draft = budget.pools(tokens)
    each = budget.pair.target.kv_bytes_per_token(budget.dtype)
    drafted = budget.pair.draft.kv_bytes_per_token(budget.dtype)
    held = f"{tokens:,}"
    return (
        MemoryRow("kv_target", target, values={"tokens": held, "each": f"{each:,}"}),
        MemoryRow("kv_draft", draft, values={"tokens": held, "each": f"{drafted:,}"}),
    )


def _later(budget: Budget) -> tuple[MemoryRow, ...]:
    attention, preset = budget.flashinfer, budget.preset
    sizes = {"decode": str(len(preset.graph_sizes)), "prefill": str(len(prefill_sizes(preset)))}
    step = {
        "chunk": f"{preset.chunked_prefill:,}",
        "drafted": str(preset.max_running * budget.pair.tree.draft_tokens),
    }
    standing, graphs = _wrappers(attention.wrappers), _wrappers(attention.graph_wrappers)
    second = _wrappers(attention.second_wrappers)
    return (
        MemoryRow("workspace", attention.standing_bytes, values=standing),
        MemoryRow("graphs", budget.graphs.bytes, estimated=True, values=sizes | graphs),
        MemoryRow("second_state", budget.second_state, estimated=True, values=sizes | second),
        MemoryRow("activations", budget.activations, estimated=True, values=step),
        MemoryRow("reserve", RESERVE_BYTES),
    )


def _wrappers(count: int) -> dict[str, str]:
    each = {"space": _mebibytes(WORKSPACE_BYTES), "each": _mebibytes(INTEGER_BYTES)}
    return each | {"wrappers": str(count)}


def _mebibytes(size: int) -> str:
    return str(round(size / MIB))
