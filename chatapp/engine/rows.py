"""The rows of a memory plan, each with the figures that say where it comes from. Pure."""

from __future__ import annotations

from chatapp.engine.budget import CUDA_CONTEXT_BYTES, RESERVE_BYTES, Budget
from chatapp.engine.flashinfer import INTEGER_BYTES, WORKSPACE_BYTES
from chatapp.engine.graphs import prefill_sizes
from chatapp.engine.row import Row
from chatapp.units import MIB, memory_gb


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
    pair, loaded = budget.pair, budget.loaded
    positions = loaded.rope_positions
    return (
        Row("target", loaded.target, values=_parameters(pair.target.parameters, budget)),
        Row(
            "draft",
            loaded.draft,
            values={
                "parameters": _billions(pair.draft.parameters),
                "type": pair.dtype,
                "embedding": memory_gb(loaded.embedding),
            },
        ),
        Row(
            "rope",
            loaded.rope,
            values={"target": str(positions[0]), "draft": str(positions[1])},
        ),
    )


def _cache(budget: Budget, tokens: int) -> tuple[Row, ...]:
    each = budget.pair.target, budget.pair.draft
    return tuple(
        Row(
            key,
            size,
            values={"tokens": str(tokens), "each": str(shape.kv_bytes_per_token(budget.dtype))},
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
                "chunk": str(preset.chunked_prefill),
                "drafted": str(preset.max_running * budget.pair.tree.draft_tokens),
            },
        ),
        Row("reserve", RESERVE_BYTES),
    )


def _parameters(count: int, budget: Budget) -> dict[str, str]:
    form = budget.preset.quantization or budget.pair.dtype
    return {"parameters": _billions(count), "type": form}


def _billions(count: int) -> str:
    return f"{count / 1e9:.2f}"


def _megabytes(size: int) -> str:
    return str(size // MIB)
