"""EAGLE-3 for SGLang's ``torch_native`` attention backend: any CPU, no AMX needed.

What SGLang lacks there: attention for a verify batch (a tree of drafts over a
prefix), and a container of per-step backends for drafting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sglang.srt.layers.attention.torch_native_backend import TorchNativeAttnBackend
from sglang.srt.layers.radix_attention import AttentionType
from sglang.srt.mem_cache.memory_pool import KVWriteLoc
from torch import Tensor

from chatapp.sglang_plugin import cpu_kernels
from chatapp.sglang_plugin.attention import (
    AttentionPlan,
    Span,
    attend,
    decode_spans,
    extend_spans,
    verify_spans,
)

Spans = Callable[[Any, Tensor], tuple[Span, ...]]


class PlannedAttnBackend(TorchNativeAttnBackend):
    """``torch_native`` with one plan per forward pass, and with verify batches."""

    plan: AttentionPlan | None = None

    def init_forward_metadata(self, forward_batch: Any) -> None:
        super().init_forward_metadata(forward_batch)
        self.plan = None

    def forward_extend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        layer: Any,
        forward_batch: Any,
        save_kv_cache: bool = True,
    ) -> Tensor:
        if not self._plain(layer, forward_batch):
            plain: Tensor = super().forward_extend(q, k, v, layer, forward_batch, save_kv_cache)
            return plain
        verify = forward_batch.forward_mode.is_target_verify()
        spans = verify_spans if verify else extend_spans
        return self._forward(q, k, v, layer, forward_batch, save_kv_cache, spans)

    def forward_decode(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        layer: Any,
        forward_batch: Any,
        save_kv_cache: bool = True,
    ) -> Tensor:
        if not self._plain(layer, forward_batch):
            plain: Tensor = super().forward_decode(q, k, v, layer, forward_batch, save_kv_cache)
            return plain
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

    def _forward(
        self, q: Tensor, k: Tensor, v: Tensor, layer: Any, batch: Any, save: bool, spans: Spans
    ) -> Tensor:
        pool = self.token_to_kv_pool
        if save and k is not None and v is not None:
            pool.set_kv_buffer(layer, KVWriteLoc(batch.out_cache_loc, None), k, v)
        if self.plan is None or self.plan.batch is not batch:
            self.plan = AttentionPlan(batch, spans(batch, self.req_to_token_pool.req_to_token))
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

    def _forward(
        self, q: Tensor, k: Tensor, v: Tensor, layer: Any, batch: Any, save: bool, spans: Spans
    ) -> Tensor:
        return super()._forward(q, k, v, layer, batch, save, lambda *_: self.step_spans)


class MultiStepDraftBackend:
    """The per-step backends of drafting, as SGLang's draft worker expects them."""

    def __init__(self, model_runner: Any, topk: int, num_steps: int) -> None:
        self.topk, self.num_steps = topk, num_steps
        self.attn_backends = [DraftStepBackend(model_runner) for _ in range(num_steps - 1)]

    def init_forward_metadata(self, forward_batch: Any) -> None:
        first = self.attn_backends[0]
        slots = cpu_kernels.build_draft_decode_metadata_cpu(
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
