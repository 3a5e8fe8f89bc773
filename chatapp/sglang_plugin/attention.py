"""EAGLE-3 for SGLang's ``torch_native`` attention backend: any CPU, no AMX needed.

What SGLang lacks there: attention for a verify batch (a tree of drafts over a
prefix), and a container of per-step backends for drafting. What a batch attends to
is the same in every layer, so it is planned once per forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend
from sglang.srt.layers.radix_attention import AttentionType
from sglang.srt.mem_cache.memory_pool import KVWriteLoc
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from chatapp.sglang_plugin import kernels


@dataclass(frozen=True)
class Span:
    """What some consecutive query rows attend to.

    ``slots`` [branches, keys] are KV cache slots; the rows are split evenly over the
    branches. ``mask`` [rows per branch, keys] is additive, None when all is visible.
    """

    first: int
    last: int
    slots: Tensor
    mask: Tensor | None


@dataclass(frozen=True)
class Plan:
    """The spans of one forward batch, in the order of its query rows."""

    batch: Any
    spans: tuple[Span, ...]


def additive(visible: Tensor) -> Tensor:
    """A boolean mask as the one that is added to attention scores."""
    return torch.zeros(visible.shape).masked_fill_(~visible, float("-inf"))


def causal_mask(rows: int, keys: int) -> Tensor | None:
    """The last ``rows`` of ``keys`` positions, each seeing itself and what is before."""
    if rows == 1:
        return None
    return additive(torch.ones(rows, keys, dtype=torch.bool).tril(keys - rows))


def verify_spans(batch: Any, req_to_token: Tensor) -> tuple[Span, ...]:
    """A tree (or chain, or single token) of drafts after each request's prefix."""
    n = batch.spec_info.draft_token_num
    tree = None
    if batch.spec_info.tree_topk != 1 and n > 1:
        tree = batch.spec_info.custom_mask.view(-1, n, n)
    spans = []
    for i, (row, prefix) in enumerate(_requests(batch)):
        mask = causal_mask(n, prefix + n)
        if tree is not None and mask is not None:
            mask[:, prefix:] = additive(tree[i])
        slots = req_to_token[row, : prefix + n].long()[None]
        spans.append(Span(i * n, (i + 1) * n, slots, mask))
    return tuple(spans)


def extend_spans(batch: Any, req_to_token: Tensor) -> tuple[Span, ...]:
    """New tokens after a cached prefix, causal: a prefill or the draft's catch-up."""
    spans, first = [], 0
    for (row, length), rows in zip(_requests(batch), batch.extend_seq_lens.tolist(), strict=True):
        slots = req_to_token[row, :length].long()[None]
        spans.append(Span(first, first + rows, slots, causal_mask(rows, length)))
        first += rows
    return tuple(spans)


def decode_spans(batch: Any, req_to_token: Tensor) -> tuple[Span, ...]:
    """One new token for each request."""
    return tuple(
        Span(i, i + 1, req_to_token[row, :length].long()[None], None)
        for i, (row, length) in enumerate(_requests(batch))
    )


def _requests(batch: Any) -> list[tuple[int, int]]:
    rows, lengths = batch.req_pool_indices.tolist(), batch.seq_lens.tolist()
    return list(zip(rows, lengths, strict=True))


def attend(query: Tensor, keys: Tensor, values: Tensor, plan: Plan, scale: float) -> Tensor:
    """Attention of ``query`` [tokens, heads, dim] over cached ``keys`` and ``values``.

    Query heads that share a KV head become rows of that head, which spares the
    repetition of keys that grouped attention costs.
    """
    tokens, heads, dim = query.shape
    kv_heads = keys.shape[1]
    group = heads // kv_heads
    out = query.new_empty(tokens, heads, values.shape[-1])
    for span in plan.spans:
        branches, length = span.slots.shape
        rows = (span.last - span.first) // branches
        q = query[span.first : span.last].view(branches, rows, kv_heads, group, dim)
        q = q.permute(0, 2, 3, 1, 4).reshape(branches, kv_heads, group * rows, dim)
        k = keys[span.slots].to(q.dtype).transpose(1, 2)
        v = values[span.slots].to(q.dtype).transpose(1, 2)
        mask = span.mask if span.mask is None or group == 1 else span.mask.repeat(group, 1)
        o = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale)
        o = o.view(branches, kv_heads, group, rows, -1).permute(0, 3, 1, 2, 4)
        out[span.first : span.last] = o.reshape(span.last - span.first, heads, -1)
    return out.view(tokens, -1)


class PlannedAttnBackend(TorchNativeAttnBackend):
    """``torch_native`` with one plan per forward pass, and with verify batches."""

    plan: Plan | None = None

    def init_forward_metadata(self, forward_batch: Any) -> None:
        super().init_forward_metadata(forward_batch)
        self.plan = None

    def forward_extend(
        self, q: Tensor, k: Tensor, v: Tensor, layer: Any, forward_batch: Any, save_kv_cache=True
    ) -> Tensor:
        if not self._plain(layer, forward_batch):
            return super().forward_extend(q, k, v, layer, forward_batch, save_kv_cache)
        verify = forward_batch.forward_mode.is_target_verify()
        spans = verify_spans if verify else extend_spans
        return self._forward(q, k, v, layer, forward_batch, save_kv_cache, spans)

    def forward_decode(
        self, q: Tensor, k: Tensor, v: Tensor, layer: Any, forward_batch: Any, save_kv_cache=True
    ) -> Tensor:
        if not self._plain(layer, forward_batch):
            return super().forward_decode(q, k, v, layer, forward_batch, save_kv_cache)
        return self._forward(q, k, v, layer, forward_batch, save_kv_cache, decode_spans)

    def _plain(self, layer: Any, batch: Any) -> bool:
        """Whether this is causal self-attention over all that is cached."""
        window = layer.sliding_window_size
        plain = (
            not layer.is_cross_attention
            and layer.attn_type == AttentionType.DECODER
            and (window is None or window < 0)
            and self.swa_out_cache_loc is None
            and batch.encoder_lens is None
        )
        if not plain and batch.forward_mode.is_target_verify():
            raise NotImplementedError("speculation on a CPU needs plain causal attention")
        return plain

    def _forward(self, q, k, v, layer, batch, save_kv_cache, spans) -> Tensor:
        pool = self.token_to_kv_pool
        if save_kv_cache and k is not None and v is not None:
            pool.set_kv_buffer(layer, KVWriteLoc(batch.out_cache_loc, None), k, v)
        if self.plan is None or self.plan.batch is not batch:
            self.plan = Plan(batch, spans(batch, self.req_to_token_pool.req_to_token))
        return attend(
            q.reshape(-1, layer.tp_q_head_num, layer.qk_head_dim),
            pool.get_key_buffer(layer.layer_id),
            pool.get_value_buffer(layer.layer_id),
            self.plan,
            layer.scaling,
        )


class DraftStepBackend(PlannedAttnBackend):
    """One step of drafting: its plan is made by the container."""

    step_spans: tuple[Span, ...] = ()

    def _forward(self, q, k, v, layer, batch, save_kv_cache, spans) -> Tensor:
        return super()._forward(
            q, k, v, layer, batch, save_kv_cache, lambda *_: self.step_spans
        )


class MultiStepDraftBackend:
    """The per-step backends of drafting, as SGLang's draft worker expects them."""

    def __init__(self, model_runner: Any, topk: int, num_steps: int) -> None:
        self.topk, self.num_steps = topk, num_steps
        self.attn_backends = [DraftStepBackend(model_runner) for _ in range(num_steps - 1)]

    def init_forward_metadata(self, forward_batch: Any) -> None:
        first = self.attn_backends[0]
        slots = kernels.build_draft_decode_metadata_cpu(
            first.req_to_token_pool.req_to_token,
            forward_batch.req_pool_indices,
            forward_batch.seq_lens,
            self.topk,
            self.num_steps,
            0,
        ).long()
        lengths = forward_batch.seq_lens.tolist()
        for step, backend in enumerate(self.attn_backends, start=1):
            backend.plan = None
            backend.step_spans = tuple(
                Span(at, at + self.topk, slots[at : at + self.topk, : length + step], None)
                for at, length in zip(
                    range(0, len(lengths) * self.topk, self.topk), lengths, strict=True
                )
            )
