"""The kernels that a verified step goes through on CUDA, on what the switch makes of it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from sglang.kernels.ops.speculative.cache_locs import (
    assign_draft_cache_locs_contiguous_func,
    assign_extend_cache_locs_uniform_func,
)
from sglang.kernels.ops.speculative.eagle import (
    fill_bonus_tokens_func,
    prepare_draft_extend_inputs,
    prepare_verify_commit_outputs,
)
from sglang.srt.mem_cache.memory_pool import MHATokenToKVPool
from sglang.srt.speculative.eagle_worker_common import _compact_accept_to_front
from sglang.srt.speculative.spec_utils import move_accept_tokens_to_target_kvcache

from chatapp.domain import Tree
from chatapp.sglang_plugin import switch

SIDES = [
    (True, True, True, True),
    (False, True, True, False),
    (True, False, False, False),
    (False, False, False, False),
]


@dataclass
class Step:
    """A verified step of four requests: what ``eagle_sample`` gave and the switch cut, and
    of each request the nodes that it keeps, the root first."""

    tokens: torch.Tensor
    lengths: torch.Tensor
    index: torch.Tensor
    kept: list[list[int]]

    @classmethod
    def make(cls, tree: Tree, sides: tuple[bool, ...], seed: int) -> Step:
        rng = random.Random(seed)
        index = torch.full((len(sides), tree.steps + 1), -1, dtype=torch.int32)
        kept = []
        for row, on in enumerate(sides):
            first = row * tree.draft_tokens
            depth = rng.randint(0, tree.steps)
            nodes = sorted(rng.sample(range(1, tree.draft_tokens), depth))
            nodes = list(range(1, depth + 1)) if tree.topk == 1 else nodes
            path = [first, *(first + node for node in nodes)]
            index[row, : len(path)] = torch.tensor(path)
            kept.append(path if on else path[:1])
        lengths = (index >= 0).sum(1).int()
        tokens = torch.tensor(
            [rng.randrange(4096) for _ in range(len(sides) * tree.draft_tokens)],
            dtype=torch.int32,
        )
        requests = [
            SimpleNamespace(sampling_params=SimpleNamespace(custom_params={"speculation": on}))
            for on in sides
        ]
        batch = SimpleNamespace(reqs=requests)
        return cls(*switch.accept_no_draft((tokens, lengths, index), None, batch), kept)


@pytest.fixture(params=range(3))
def seed(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(params=SIDES, ids=lambda sides: "".join("01"[on] for on in sides))
def step(request: pytest.FixtureRequest, kernels, tree: Tree, seed: int) -> Step:
    return Step.make(tree, request.param, seed)


def test_what_is_committed(step: Step, tree: Tree) -> None:
    before = torch.tensor([10, 200, 3, 77])
    width = tree.draft_tokens if tree.topk == 1 else 0  # as SGLang asks for it
    made = prepare_verify_commit_outputs(
        step.tokens, step.index, step.lengths, before, num_draft_tokens=width
    )
    gained = [len(path) for path in step.kept]
    wanted = [int(step.tokens[path[-1]]) for path in step.kept]
    assert made[0].tolist() == [n + more for n, more in zip(before.tolist(), gained, strict=True)]
    assert made[1].tolist() == wanted
    bonus = torch.empty(4, dtype=torch.int32)
    accepted = step.tokens[step.index]
    fill_bonus_tokens_func(accepted, step.lengths, bonus, step.index.shape[1], 4)
    assert bonus.tolist() == wanted


def test_what_the_draft_catches_up_with(step: Step, tree: Tree) -> None:
    """Each request's accepted tokens lead its window, and the last of them is chosen."""
    tokens = step.tokens
    if tree.topk > 1:
        tokens = _compact_accept_to_front(tokens, step.index, 4, num_draft_tokens=tree.draft_tokens)
    correct, select, ids = prepare_draft_extend_inputs(step.lengths, tokens, tree.draft_tokens)
    for row, path in enumerate(step.kept):
        first = row * tree.draft_tokens
        assert ids[first : first + len(path)].tolist() == step.tokens[path].tolist()
        assert correct[row] == len(path) - 1 and select[row] == first + len(path) - 1


def test_the_cache_keeps_what_was_accepted(step: Step, tree: Tree) -> None:
    """A tree's accepted nodes move to the front of their window, and nobody else's; those of
    a chain stand there already."""
    slots = torch.randperm(4 * tree.draft_tokens) + 1
    pool = MHATokenToKVPool(
        size=len(slots) + 8,
        page_size=1,
        dtype=torch.float32,
        head_num=2,
        head_dim=8,
        layer_num=2,
        device="cpu",
        enable_memory_saver=False,
        enable_kv_cache_copy=True,
    )
    for buffer in (*pool.k_buffer, *pool.v_buffer):
        buffer.copy_(torch.arange(len(buffer)).float().view(-1, 1, 1).expand_as(buffer))
    batch = SimpleNamespace(seq_lens=torch.zeros(4), out_cache_loc=slots)
    allocator = SimpleNamespace(get_kvcache=lambda: pool)
    move_accept_tokens_to_target_kvcache(batch, step.index, step.lengths - 1, allocator)
    wanted = torch.arange(len(pool.k_buffer[0])).float()
    for row, path in enumerate(step.kept):
        window = slots[row * tree.draft_tokens :]
        wanted[window[: len(path)]] = slots[path].float()
    wanted[0] = 0  # the slot that padding is written to
    for buffer in (*pool.k_buffer, *pool.v_buffer):
        assert (buffer[1:] == wanted[1:].view(-1, 1, 1)).all()


def test_slots_of_a_step_are_those_of_the_row(kernels, tree: Tree) -> None:
    width, rows = 64, torch.tensor([2, 0, 3])
    table = torch.arange(4 * width, dtype=torch.int32).view(4, width)
    starts = torch.tensor([0, 17, width - tree.reserved_tokens])
    drafts = torch.empty(3 * tree.topk * tree.steps, dtype=torch.int64)
    assign_draft_cache_locs_contiguous_func(rows, table, starts, drafts, tree.topk, tree.steps)
    for n, found in (
        (tree.topk * tree.steps, drafts),
        *(
            (n, assign_extend_cache_locs_uniform_func(rows, table, starts, 3, n, "cpu"))
            for n in (tree.draft_tokens, 1)
        ),
    ):
        wanted = [
            row * width + start + at
            for row, start in zip(rows.tolist(), starts.tolist(), strict=True)
            for at in range(n)
        ]
        assert found.tolist() == wanted
