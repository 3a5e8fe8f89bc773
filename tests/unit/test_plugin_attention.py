"""Planned attention against dense attention with an explicit mask."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from chatapp.sglang_plugin import attention

HEADS, KV_HEADS, DIM, SLOTS = 6, 2, 8, 64


def dense(query, keys, values, visible):
    """[rows, heads, dim] against [keys, kv heads, dim], one head at a time."""
    out = torch.empty_like(query)
    for head in range(HEADS):
        k, v = keys[:, head * KV_HEADS // HEADS], values[:, head * KV_HEADS // HEADS]
        scores = query[:, head] @ k.T * DIM**-0.5
        out[:, head] = scores.masked_fill(~visible, -torch.inf).softmax(-1) @ v
    return out


@pytest.fixture
def cache():
    generator = torch.Generator().manual_seed(0)
    keys, values = (torch.randn(SLOTS, KV_HEADS, DIM, generator=generator) for _ in range(2))
    table = torch.stack([torch.randperm(SLOTS, generator=generator)[:30] for _ in range(2)])
    return keys, values, table


def batch_of(lengths, **fields):
    lengths = torch.tensor(lengths)
    return SimpleNamespace(req_pool_indices=torch.arange(len(lengths)), seq_lens=lengths, **fields)


def attend_with(spans, batch, cache, rows):
    keys, values, table = cache
    query = torch.randn(rows, HEADS, DIM, generator=torch.Generator().manual_seed(1))
    plan = attention.AttentionPlan(batch, spans(batch, table))
    out = attention.attend(query, keys, values, plan, DIM**-0.5).view(rows, HEADS, DIM)
    return query, out


def test_decode_sees_the_whole_sequence(cache):
    keys, values, table = cache
    query, out = attend_with(attention.decode_spans, batch_of([9, 4]), cache, 2)
    for i, length in enumerate((9, 4)):
        slots = table[i, :length]
        wanted = dense(query[i : i + 1], keys[slots], values[slots], torch.tensor([True]))
        torch.testing.assert_close(out[i : i + 1], wanted)


def test_extend_is_causal_after_its_prefix(cache):
    keys, values, table = cache
    batch = batch_of([9, 4], extend_seq_lens=torch.tensor([3, 4]))
    query, out = attend_with(attention.extend_spans, batch, cache, 7)
    for i, (length, first, rows) in enumerate([(9, 0, 3), (4, 3, 4)]):
        slots = table[i, :length]
        visible = torch.arange(length)[None] <= torch.arange(length - rows, length)[:, None]
        wanted = dense(query[first : first + rows], keys[slots], values[slots], visible)
        torch.testing.assert_close(out[first : first + rows], wanted)


@pytest.mark.parametrize("topk", [1, 2])
def test_verify_sees_the_prefix_and_its_ancestors(cache, topk):
    keys, values, table = cache
    n = 4
    chain = torch.ones(n, n).tril().bool()
    fork = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 1]]).bool()
    tree = chain if topk == 1 else fork
    info = SimpleNamespace(draft_token_num=n, tree_topk=topk, custom_mask=tree.repeat(2, 1))
    query, out = attend_with(attention.verify_spans, batch_of([6, 3], spec_info=info), cache, 2 * n)
    for i, prefix in enumerate((6, 3)):
        slots = table[i, : prefix + n]
        visible = torch.cat([torch.ones(n, prefix).bool(), tree], dim=1)
        rows = slice(i * n, (i + 1) * n)
        wanted = dense(query[rows], keys[slots], values[slots], visible)
        torch.testing.assert_close(out[rows], wanted)


def test_branches_attend_to_slots_of_their_own(cache):
    keys, values, table = cache
    slots = torch.stack([table[0, :5], table[1, :5]])
    span = attention.Span(0, 2, slots, None)
    query = torch.randn(2, HEADS, DIM)
    plan = attention.AttentionPlan(None, (span,))
    out = attention.attend(query, keys, values, plan, DIM**-0.5).view(2, HEADS, DIM)
    for branch in range(2):
        at = slots[branch]
        wanted = dense(query[branch][None], keys[at], values[at], torch.tensor([True]))
        torch.testing.assert_close(out[branch][None], wanted)
