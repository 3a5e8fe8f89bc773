"""The target: a small Qwen3 in plain torch, with the parameter names of its checkpoint.

Promises the same numbers as transformers' and SGLang's Qwen3 for the same weights
(tests compare), and nothing but torch to run it. ``Target.config()`` is what goes
into ``config.json``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chatapp.training.model.shape import Shape

SHORT = 512


class Norm(nn.Module):
    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return (wide * self.weight).to(x.dtype)


def rotation(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the rotary embedding, shape [..., 1, head_dim]."""
    inverse = theta ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angle = positions.float()[..., None] * inverse
    angle = torch.cat([angle, angle], -1)[..., None, :]
    return angle.cos(), angle.sin()


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    half = x.shape[-1] // 2
    swapped = torch.cat([-x[..., half:], x[..., :half]], -1)
    return (x * turn[0] + swapped * turn[1]).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, shape: Shape, inputs: int, head_norms: bool) -> None:
        super().__init__()
        self.shape = shape
        heads, kv_heads = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.q_proj = nn.Linear(inputs, heads, bias=False)
        self.k_proj = nn.Linear(inputs, kv_heads, bias=False)
        self.v_proj = nn.Linear(inputs, kv_heads, bias=False)
        self.o_proj = nn.Linear(heads, shape.hidden, bias=False)
        self.q_norm: nn.Module = nn.Identity()
        self.k_norm: nn.Module = nn.Identity()
        if head_norms:
            self.q_norm = Norm(shape.head_dim, shape.epsilon)
            self.k_norm = Norm(shape.head_dim, shape.epsilon)

    def keys(self, x: Tensor, turn: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of ``x``, as [batch, heads, time, head_dim]."""
        split = (*x.shape[:2], -1, self.shape.head_dim)
        q = rotate(self.q_norm(self.q_proj(x).view(split)), turn)
        k = rotate(self.k_norm(self.k_proj(x).view(split)), turn)
        v = self.v_proj(x).view(split)
        return q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)

    def join(self, mixed: Tensor) -> Tensor:
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Grouped attention, causal without a mask; [batch, heads, time, head_dim].

    Short rows are spelled out: on a CPU that trains a quarter faster than the fused kernel.
    """
    batch, heads, time, size = q.shape
    if mask is None and time > SHORT:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    if mask is None:
        mask = torch.ones(time, time, dtype=torch.bool).tril()
    groups = heads // k.shape[1]
    scores = q.reshape(batch, k.shape[1], groups * time, size) @ k.transpose(-1, -2)
    scores = scores.view(batch, k.shape[1], groups, time, -1) * size**-0.5
    if mask.dim() == 4:
        mask = mask[:, :, None]
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1).to(v.dtype)
    mixed = weights.view(batch, k.shape[1], groups * time, -1) @ v
    return mixed.view(batch, heads, time, size)


class Perceptron(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.inner, bias=False)
        self.down_proj = nn.Linear(shape.inner, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape, shape.hidden, head_norms=True)
        self.mlp = Perceptron(shape)
        self.input_layernorm = Norm(shape.hidden, shape.epsilon)
        self.post_attention_layernorm = Norm(shape.hidden, shape.epsilon)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], cache: Cache | None) -> Tensor:
        attention = self.self_attn
        q, k, v = attention.keys(self.input_layernorm(x), turn)
        mask = None
        if cache is not None:
            k, v, mask = cache.extend(k, v)
        x = x + attention.join(attend(q, k, v, mask))
        return x + self.mlp(self.post_attention_layernorm(x))


class Cache:
    """Keys and values of one layer while generating a batch, left-padded by ``mask``."""

    def __init__(self, real: Tensor) -> None:
        self.real = real
        self.k: Tensor | None = None
        self.v: Tensor | None = None

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.k is not None and self.v is not None:
            k, v = torch.cat([self.k, k], 2), torch.cat([self.v, v], 2)
        new = k.shape[2] - (0 if self.k is None else self.k.shape[2])
        self.k, self.v = k, v
        mask = torch.ones(new, k.shape[2], dtype=torch.bool).tril(k.shape[2] - new)
        padding = torch.ones(len(k), k.shape[2], dtype=torch.bool)
        padding[:, : self.real.shape[1]] = self.real
        own = torch.eye(new, k.shape[2], dtype=torch.bool).roll(k.shape[2] - new, 1)
        return k, v, (mask & padding[:, None, :] | own)[:, None]


class Body(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.hidden, shape.epsilon)


class Target(nn.Module):
    """Tied embeddings: the head is ``embed_tokens``, as Qwen3's small models have it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = (2 * shape.layers) ** -0.5 if deep else 1.0
                nn.init.normal_(weight, std=0.02 if "embed" in name else 0.03 * scale)

    def hidden(
        self, ids: Tensor, positions: Tensor | None = None, caches: list[Cache] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The normed last hidden states, and the features that the draft reads."""
        shape = self.shape
        if positions is None:
            positions = torch.arange(ids.shape[1])[None]
        turn = rotation(positions, shape.head_dim, shape.rope_theta)
        x = self.model.embed_tokens(ids)
        features = []
        for index, layer in enumerate(self.model.layers):
            if index in shape.feature_layers:
                features.append(x)
            x = layer(x, turn, None if caches is None else caches[index])
        return self.model.norm(x), torch.cat(features, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden @ self.model.embed_tokens.weight.T

    def config(self, end: int) -> dict[str, object]:
        """``config.json`` of the checkpoint; ``end`` is the id of ``<|im_end|>``."""
        return self.shape.config(end) | {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "sliding_window": None,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
        }
