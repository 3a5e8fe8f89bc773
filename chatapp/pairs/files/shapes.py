"""The shape of a model, and what follows from it by arithmetic: parameters and bytes.

No weights are needed, so a pair can be planned before it is downloaded. The numbers are
those of dense Qwen3 and Llama targets and of one-layer EAGLE-3 drafts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatapp.domain import Tree

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "fp8": 1, "fp8_e4m3": 1, "fp8_e5m2": 1}
DRAFT_FEATURES = 3


@dataclass(frozen=True, slots=True)
class AttentionShape:
    """``kv_heads`` below ``heads`` is grouped-query attention."""

    heads: int
    kv_heads: int
    head_dim: int

    def matrices(self, input_size: int, output_size: int) -> tuple[int, int]:
        """Parameters of the two that the engine holds: queries, keys and values together,
        and the output's."""
        projected = (self.heads + 2 * self.kv_heads) * self.head_dim
        return input_size * projected, self.heads * self.head_dim * output_size

    def kv_bytes(self, item_bytes: int) -> int:
        """Of one token in one layer: a key and a value."""
        return 2 * self.kv_heads * self.head_dim * item_bytes


@dataclass(frozen=True, slots=True)
class TargetShape:
    """A dense decoder. ``tied``: the output layer is the embedding; ``norms_qk``: Qwen3
    normalises queries and keys per head; ``context`` is what it was trained for."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    attention: AttentionShape
    tied: bool
    context: int
    norms_qk: bool = True

    @property
    def layer_matrices(self) -> tuple[int, ...]:
        """Parameters of each matrix of a layer, as the engine holds them."""
        mlp = (2 * self.hidden * self.intermediate, self.intermediate * self.hidden)
        return (*self.attention.matrices(self.hidden, self.hidden), *mlp)

    @property
    def linear_parameters(self) -> int:
        """The matrices of the layers: what a quantised format makes smaller."""
        return self.layers * sum(self.layer_matrices)

    @property
    def other_parameters(self) -> int:
        """Embedding, output layer, norms."""
        norms = 2 * self.hidden + (2 * self.attention.head_dim if self.norms_qk else 0)
        tables = (1 if self.tied else 2) * self.vocabulary * self.hidden
        return tables + self.layers * norms + self.hidden

    @property
    def parameters(self) -> int:
        return self.linear_parameters + self.other_parameters

    def weight_bytes(self, dtype: str, quantization: str | None = None) -> int:
        linear = ITEM_BYTES[quantization or dtype]
        return self.linear_parameters * linear + self.other_parameters * ITEM_BYTES[dtype]

    def kv_bytes_per_token(self, dtype: str) -> int:
        return self.layers * self.attention.kv_bytes(ITEM_BYTES[dtype])

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TargetShape:
        """From a model's ``config.json``. Raises KeyError or TypeError when it lacks a number."""
        return cls(
            layers=int(config["num_hidden_layers"]),
            hidden=int(config["hidden_size"]),
            intermediate=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            attention=_attention(config),
            tied=bool(config.get("tie_word_embeddings", False)),
            context=int(config.get("max_position_embeddings", 0)),
            norms_qk=str(config.get("model_type", "")).startswith("qwen3"),
        )


@dataclass(frozen=True, slots=True)
class DraftShape:
    """An EAGLE-3 head: it reads ``features`` hidden states of a target that is
    ``target_hidden`` wide. The engine gives it the target's embedding."""

    layers: int
    hidden: int
    intermediate: int
    vocabulary: int
    draft_vocabulary: int
    attention: AttentionShape
    context: int
    target_hidden: int
    features: int = DRAFT_FEATURES

    @property
    def matrices(self) -> tuple[int, ...]:
        """Parameters of each matrix, as the engine holds them, the embedding left out."""
        first = self.attention.matrices(2 * self.hidden, self.hidden)
        others = (self.layers - 1) * self.attention.matrices(self.hidden, self.hidden)
        mlp = self.layers * (2 * self.hidden * self.intermediate, self.intermediate * self.hidden)
        reads = self.features * self.target_hidden * self.hidden
        return (*first, *others, *mlp, reads, self.draft_vocabulary * self.hidden)

    @property
    def parameters(self) -> int:
        """Without the embedding, which it shares with the target in the engine."""
        norms = self.layers * 3 * self.hidden + self.hidden
        return sum(self.matrices) + norms

    def weight_bytes(self, dtype: str) -> int:
        own = 0 if self.target_hidden == self.hidden else self.vocabulary * self.hidden
        token_map = self.draft_vocabulary * 8
        return (self.parameters + own) * ITEM_BYTES[dtype] + token_map

    def kv_bytes_per_token(self, dtype: str) -> int:
        return self.layers * self.attention.kv_bytes(ITEM_BYTES[dtype])

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DraftShape:
        """From a draft's ``config.json``. Raises KeyError or TypeError as above."""
        hidden = int(config["hidden_size"])
        return cls(
            layers=int(config.get("num_hidden_layers", 1)),
            hidden=hidden,
            intermediate=int(config["intermediate_size"]),
            vocabulary=int(config["vocab_size"]),
            draft_vocabulary=int(config.get("draft_vocab_size") or config["vocab_size"]),
            attention=_attention(config),
            context=int(config.get("max_position_embeddings", 0)),
            target_hidden=int(config.get("target_hidden_size") or hidden),
            features=features(config),
        )


NO_DRAFT = DraftShape(
    layers=0,
    hidden=0,
    intermediate=0,
    vocabulary=0,
    draft_vocabulary=0,
    attention=AttentionShape(0, 0, 0),
    context=0,
    target_hidden=0,
    features=0,
)
"""That of a drafter without weights, which takes nothing."""


def features(draft: Mapping[str, Any]) -> int:
    """How many of the target's hidden states a draft reads, as the engine works it out."""
    if draft.get("num_aux_hidden_states"):
        return int(draft["num_aux_hidden_states"])
    return len(feature_layers(draft)) or DRAFT_FEATURES


def feature_layers(draft: Mapping[str, Any]) -> tuple[int, ...]:
    """The layers a draft's configuration names; empty: the engine's own choice."""
    eagle = draft.get("eagle_config") or {}
    return tuple(int(layer) for layer in eagle.get("eagle_aux_hidden_state_layer_ids") or ())


def _attention(config: Mapping[str, Any]) -> AttentionShape:
    heads = int(config["num_attention_heads"])
    return AttentionShape(
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or int(config["hidden_size"]) // heads),
    )


@dataclass(frozen=True, slots=True)
class PlannedPair:
    """What a plan needs to know of a pair; its files need not be there."""

    name: str
    target: TargetShape
    draft: DraftShape
    tree: Tree
    dtype: str
    context_length: int
    drafter: str = "EAGLE3"

    @property
    def has_draft(self) -> bool:
        return self.draft is not NO_DRAFT

    @property
    def longest_context(self) -> int:
        known = self.draft.context if self.has_draft else self.target.context
        return min(self.target.context, known)
