"""A pair of which only the shapes are known: the configurations, and no weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatapp.domain import Pair
from chatapp.pairs.files.shapes import AttentionShape, DraftShape, PlannedPair


def write_configurations(folder: Path, planned: PlannedPair) -> Pair:
    """All of a pair that SGLang reads to set itself up."""
    target = planned.target
    common: dict[str, Any] = {"vocab_size": target.vocabulary, "dtype": planned.dtype}
    _write(
        folder / "target",
        common
        | _attention(target.attention)
        | {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "hidden_size": target.hidden,
            "intermediate_size": target.intermediate,
            "num_hidden_layers": target.layers,
            "max_position_embeddings": target.context,
            "tie_word_embeddings": target.tied,
        },
    )
    if planned.has_draft:
        _write_draft(folder / "draft", planned.draft, common)
    return Pair(
        planned.name,
        folder / "target",
        folder / "draft" if planned.has_draft else None,
        planned.tree,
        planned.dtype,
        planned.context_length,
        planned.drafter,
    )


def _write_draft(folder: Path, draft: DraftShape, common: dict[str, Any]) -> None:
    _write(
        folder,
        common
        | _attention(draft.attention)
        | {
            "architectures": ["LlamaForCausalLMEagle3"],
            "model_type": "llama",
            "draft_vocab_size": draft.draft_vocabulary,
            "hidden_size": draft.hidden,
            "intermediate_size": draft.intermediate,
            "num_hidden_layers": draft.layers,
            "max_position_embeddings": draft.context,
        },
    )


def _attention(attention: AttentionShape) -> dict[str, int]:
    return {
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.kv_heads,
        "head_dim": attention.head_dim,
    }


def _write(folder: Path, configuration: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(configuration), "utf-8")
