"""Slots at the end of the context, given out by SGLang's own code and its own kernel."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from sglang.srt.mem_cache.allocation_sizing import (
    get_alloc_reserve_per_decode,
    get_req_to_token_extra_context_len,
)
from sglang.srt.mem_cache.allocator.token import TokenToKVPoolAllocator
from sglang.srt.runtime_context import get_context
from sglang.srt.speculative.eagle_utils import eagle_prepare_for_decode

from chatapp.domain import Tree
from chatapp.sglang_plugin import eagle3_hooks
from tests.interpreted.conftest import CONTEXT

ROWS = (1, 3, 4, 6)  # of the table; what is between and after them is nobody's
UNTOUCHED = -7
ON, OFF = True, False


def apply(state: tuple[int, int]) -> None:
    """Of ``apply_runtime_state`` what SGLang's sizing reads."""
    get_context().override(
        "test", speculative_num_steps=state[0], speculative_num_draft_tokens=state[1]
    )


def decode_batch(committed: list[int], allocated: list[int], sides: list[bool]):
    """Four requests, their rows in a table with rows of others around them."""
    width = CONTEXT + get_req_to_token_extra_context_len()
    table = torch.full((ROWS[-1] + 2, width), UNTOUCHED, dtype=torch.int32)
    allocator = TokenToKVPoolAllocator(4 * width, torch.float32, "cpu", None, False)
    requests = [
        SimpleNamespace(
            kv=SimpleNamespace(kv_committed_len=done, kv_allocated_len=held),
            sampling_params=SimpleNamespace(custom_params={"speculation": side}),
            decode_batch_idx=0,
        )
        for done, held, side in zip(committed, allocated, sides, strict=True)
    ]
    tree_cache = SimpleNamespace(
        token_to_kv_pool_allocator=allocator, supports_prefix_sharing=lambda: False
    )
    penalties = SimpleNamespace(penalizer_orchestrator=SimpleNamespace(is_required=False))
    return SimpleNamespace(
        reqs=requests,
        maybe_evict_swa=lambda: None,
        sampling_info=penalties,
        token_to_kv_pool_allocator=allocator,
        tree_cache=tree_cache,
        req_to_token_pool=SimpleNamespace(req_to_token=table),
        req_pool_indices=torch.tensor(ROWS),
        seq_lens_cpu=torch.tensor(committed),
        device="cpu",
    )


def prepare(batch, tree: Tree) -> None:
    worker = SimpleNamespace(apply_runtime_state=apply)
    both = SimpleNamespace(worker=worker, on=(tree.steps, tree.draft_tokens), off=(0, 1))
    eagle3_hooks.EagleSwitch.activate(both, batch)
    eagle_prepare_for_decode(batch)


def check(batch, allocated: list[int]) -> None:
    """What is new stands in its own row, once; nothing else was written."""
    table = batch.req_to_token_pool.req_to_token.clone()
    given = []
    for request, row, held in zip(batch.reqs, ROWS, allocated, strict=True):
        now = request.kv.kv_allocated_len
        assert now <= table.shape[1]
        given += table[row, held:now].tolist()
        table[row, held:now] = UNTOUCHED
    assert (table == UNTOUCHED).all()
    assert len(set(given)) == len(given) and UNTOUCHED not in given


@pytest.mark.parametrize(
    "sides", [[ON] * 4, [OFF] * 4, [ON, OFF, ON, OFF]], ids=["on", "off", "mixed"]
)
def test_no_write_leaves_the_row(kernels, tree: Tree, sides: list[bool]) -> None:
    """From a step before the end to the last token allowed, one request always behind."""
    last = CONTEXT - tree.reserved_tokens
    for length in range(last - 2 * tree.draft_tokens, last):
        committed = [length, last - 1, length - 5, last - 1]
        batch = decode_batch(committed, list(committed), sides)
        prepare(batch, tree)
        check(batch, committed)


def test_what_is_held_is_not_given_out_again(kernels, tree: Tree) -> None:
    """On, off, mixed and on again, the committed length one step behind as in overlap."""
    committed, allocated = [300, 310, 320, 330], [300, 310, 320, 330]
    for sides in ([ON] * 4, [OFF] * 4, [ON, OFF, OFF, ON], [ON] * 4):
        batch = decode_batch(committed, allocated, sides)
        prepare(batch, tree)
        check(batch, allocated)
        held = [request.kv.kv_allocated_len for request in batch.reqs]
        for now, before, done in zip(held, allocated, committed, strict=True):
            in_flight = tree.steps + 1
            assert now >= before and now >= done + in_flight + 1
        allocated = held
        committed = [
            done + (tree.steps + 1 if side else 1)
            for done, side in zip(committed, sides, strict=True)
        ]


def test_nothing_but_the_tokens_held_back_keeps_it_within_the_row(kernels, tree: Tree) -> None:
    """The kernel has no bound: as many tokens further it writes into the next row."""
    reserve = get_alloc_reserve_per_decode()
    beyond = CONTEXT + get_req_to_token_extra_context_len() - reserve + 1
    assert beyond > CONTEXT - tree.reserved_tokens - 1
    batch = decode_batch([beyond] * 4, [beyond] * 4, [ON] * 4)
    prepare(batch, tree)
    with pytest.raises(AssertionError):
        check(batch, [beyond] * 4)
