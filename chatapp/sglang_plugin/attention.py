"""What the tokens of a batch attend to, planned once per forward pass, and attention.

The plan is the same in every layer. Knows batches of SGLang by their fields alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention


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
class AttentionPlan:
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


def attend(
    query: Tensor, keys: Tensor, values: Tensor, plan: AttentionPlan, scale: float
) -> Tensor:
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
