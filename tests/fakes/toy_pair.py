"""A toy pair, written byte by byte so that our readers are not tested against themselves."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

VOCABULARY, HIDDEN, DRAFT_VOCABULARY, LAYERS = 40, 8, 5, 8
HEADS, HEAD_DIM = 2, 4
TOKENS = (0, 3, 7, 20, 39)  # what the draft knows, as the target's ids
_BYTES = {"F32": 4, "F16": 2, "I64": 8, "BOOL": 1, "U8": 1, "I8": 1}

Shapes = dict[str, tuple[str, tuple[int, ...]]]

TARGET_CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 16,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 1,
    "head_dim": HEAD_DIM,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
    "dtype": "float32",
}
DRAFT_CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLMEagle3"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "draft_vocab_size": DRAFT_VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 1,
    "head_dim": HEAD_DIM,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}


def target_shapes(rows: int = 1) -> Shapes:
    """``rows``: makes the weights of the layers larger, for downloads that take a while."""
    layers = {
        f"model.layers.{at}.mlp.up_proj.weight": ("F32", (16 * rows, HIDDEN))
        for at in range(LAYERS)
    }
    return {"model.embed_tokens.weight": ("F32", (VOCABULARY, HIDDEN)), **layers}


def draft_shapes() -> Shapes:
    return {
        "midlayer.self_attn.q_proj.weight": ("F32", (HEADS * HEAD_DIM, 2 * HIDDEN)),
        "fc.weight": ("F32", (HIDDEN, 3 * HIDDEN)),
        "norm.weight": ("F32", (HIDDEN,)),
        "lm_head.weight": ("F32", (DRAFT_VOCABULARY, HIDDEN)),
        "d2t": ("I64", (DRAFT_VOCABULARY,)),
        "t2d": ("BOOL", (VOCABULARY,)),
    }


def safetensors(shapes: Shapes, tokens: tuple[int, ...] = TOKENS) -> bytes:
    header, data = {}, b""
    for name, (dtype, shape) in shapes.items():
        size = math.prod(shape) * _BYTES[dtype]
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + size],
        }
        data += _content(name, size, tokens)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(text).to_bytes(8, "little") + text + data


def _content(name: str, size: int, tokens: tuple[int, ...]) -> bytes:
    if name == "d2t":
        shifts = [token - at for at, token in enumerate(tokens)]
        written = b"".join(shift.to_bytes(8, "little", signed=True) for shift in shifts)
        return written.ljust(size, b"\0")[:size]
    if name == "t2d":
        return bytes(at in tokens for at in range(size))
    return bytes(at * 7 % 251 for at in range(min(size, 4096))).ljust(size, b"\x05")


def as_json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def target_files(rows: int = 1) -> dict[str, bytes]:
    return {
        "config.json": as_json(TARGET_CONFIG),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": as_json({"chat_template": "{{ messages }}"}),
        "README.md": b"A toy.",
        "model.safetensors": safetensors(target_shapes(rows)),
        "pytorch_model.bin": b"not wanted beside the safetensors",
        "onnx/model.onnx": b"not wanted either",
    }


def draft_files() -> dict[str, bytes]:
    return {
        "config.json": as_json(DRAFT_CONFIG),
        "model.safetensors": safetensors(draft_shapes()),
    }
