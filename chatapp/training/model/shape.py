"""The sizes of a model of the pocket pair, and how a checkpoint's configuration says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What config.json calls each size.
_NAMES = {
    "vocabulary": "vocab_size",
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "inner": "intermediate_size",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "context": "max_position_embeddings",
    "rope_theta": "rope_theta",
    "epsilon": "rms_norm_eps",
}


@dataclass(frozen=True)
class Shape:
    """The sizes of a target; its draft's one layer differs in the number of heads."""

    vocabulary: int
    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int = 2048
    rope_theta: float = 1e6
    epsilon: float = 1e-6

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Shape:
        return cls(**{field: config[name] for field, name in _NAMES.items()})

    def config(self, end: int) -> dict[str, Any]:
        """What target and draft write into ``config.json`` alike; ``end`` is the id of
        ``<|im_end|>``."""
        return {name: getattr(self, field) for field, name in _NAMES.items()} | {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": None,
            "eos_token_id": end,
            "hidden_act": "silu",
            "initializer_range": 0.02,
            "rope_scaling": None,
            "torch_dtype": "float16",
            "use_cache": True,
        }

    @property
    def feature_layers(self) -> tuple[int, int, int]:
        """After which layers the draft reads: SGLang's default for EAGLE-3."""
        return (2, self.layers // 2, self.layers - 3)
