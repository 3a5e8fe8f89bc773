"""The rows of a memory plan, each with the figures that say where it comes from. Pure."""

from __future__ import annotations

from chatapp.engine.budget import CUDA_CONTEXT_BYTES, RESERVE_BYTES, Budget
from chatapp.engine.flashinfer import INTEGER_BYTES, WORKSPACE_BYTES
from chatapp.engine.graphs import prefill_sizes
from chatapp.engine.row import Row
from chatapp.units import MIB


def rows(budget: Budget, tokens: int) -> tuple[Row, ...]:
    """In the order in which they are taken; ``tokens`` is what the KV cache holds."""
    return (*_before(budget), *_loaded(budget), *_cache(budget, tokens), *_later(budget))


def _before(budget: Budget) -> tuple[Row, ...]:
    told = budget.card.driver_bytes is not None
    return (
        Row("others", budget.card.others_bytes),
        Row("driver", budget.driver, estimated=not told),
        Row("context", CUDA_CONTEXT_BYTES, estimated=True),
    )


def _loaded(budget: Budget) -> tuple[Row, ...]:
    """With their RoPE tables, as the engine measures them when it has loaded."""
    pair, loaded = budget.pair, budget.loaded
    return tuple(
        Row(
            key,
            weights + table,
            values={
                "parameters": f"{shape.parameters / 1e9:.2f}",
                "type": form,
                "positions": f"{positions:,}",
                "table": _megabytes(table),
            },
        )
        for key, weights, table, positions, shape, form in zip(
            ("target", "draft"),
            (loaded.target, loaded.draft),
            loaded.rope,
            loaded.rope_positions,
            (pair.target, pair.draft),
            (budget.preset.quantization or pair.dtype, pair.dtype),
            strict=True,
        )
    )


def _cache(budget: Budget, tokens: int) -> tuple[Row, ...]:
    each = budget.pair.target, budget.pair.draft
    return tuple(
        Row(
            key,
            size,
            values={"tokens": f"{tokens:,}", "each": f"{shape.kv_bytes_per_token(budget.dtype):,}"},
        )
        for key, size, shape in zip(
            ("kv_target", "kv_draft"), budget.pools(tokens), each, strict=True
        )
    )


def _later(budget: Budget) -> tuple[Row, ...]:
    attention, preset = budget.flashinfer, budget.preset
    sizes, prefill = len(preset.graph_sizes), len(prefill_sizes(preset))
    work = {"space": _megabytes(WORKSPACE_BYTES), "each": _megabytes(INTEGER_BYTES)}
    return (
        Row(
            "workspace",
            attention.standing_bytes,
            values=work | {"wrappers": str(attention.wrappers)},
        ),
        Row(
            "graphs",
            budget.graphs.bytes,
            estimated=True,
            values=work
            | {
                "decode": str(sizes),
                "prefill": str(prefill),
                "wrappers": str(attention.graph_wrappers),
            },
        ),
        Row(
            "second_state",
            budget.second_state,
            estimated=True,
            values=work | {"wrappers": str(attention.second_wrappers), "decode": str(sizes)},
        ),
        Row(
            "activations",
            budget.activations,
            estimated=True,
            values={
                "chunk": f"{preset.chunked_prefill:,}",
                "drafted": str(preset.max_running * budget.pair.tree.draft_tokens),
            },
        ),
        Row("reserve", RESERVE_BYTES),
    )


def _megabytes(size: int) -> str:
    return str(round(size / MIB))
