"""The index bookkeeping of the draft tree, against slow and obvious recomputations."""

from __future__ import annotations

import ctypes
import random

import pytest
import torch

from chatapp.sglang_plugin import cpu_kernels


def drafted_tree(topk: int, steps: int, n: int, seed: int):
    """A tree as EAGLE drafts it: flat list of places, parent list, best n - 1 places."""
    rng = random.Random(seed)
    score = {place: rng.random() for place in range(topk)}
    origin: dict[int, int | None] = {place: None for place in range(topk)}
    parent_list = [-1] + list(range(topk))
    best = list(range(topk))
    for step in range(1, steps):
        start = topk + (step - 1) * topk * topk
        fresh = {}
        for branch, parent in enumerate(best):
            for k in range(topk):
                place = start + branch * topk + k
                fresh[place] = score[parent] * rng.random()
                origin[place] = parent
        score |= fresh
        best = sorted(fresh, key=fresh.get, reverse=True)[:topk]
        if step < steps - 1:
            parent_list += best
    selected = sorted(sorted(score, key=score.get, reverse=True)[: n - 1])
    return parent_list, selected, origin


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("topk, steps, n", [(4, 5, 16), (2, 3, 6), (8, 2, 10)])
def test_parents_are_those_of_the_drafting(topk, steps, n, seed):
    parent_list, selected, origin = drafted_tree(topk, steps, n, seed)
    parents = cpu_kernels.parents_of(parent_list, selected, topk)
    for node, place in enumerate(selected, start=1):
        wanted = 0 if origin[place] is None else selected.index(origin[place]) + 1
        assert parents[node] == wanted


@pytest.mark.parametrize("mode", [cpu_kernels.FULL_MASK, cpu_kernels.QLEN_ONLY])
@pytest.mark.parametrize("seed", range(5))
def test_the_tree_is_whole(seed, mode):
    topk, steps, n, lengths = 4, 5, 16, [7, 3]
    trees = [drafted_tree(topk, steps, n, seed + 10 * i) for i in range(2)]
    cells = {
        cpu_kernels.QLEN_ONLY: 2 * n * n,
        cpu_kernels.FULL_MASK: sum(n * (s + n) for s in lengths),
    }
    mask = torch.ones(cells[mode], dtype=torch.bool)
    positions = torch.zeros(2 * n, dtype=torch.long)
    index, child, sibling = (torch.full((2, n), -1) for _ in range(3))
    cpu_kernels.build_tree_kernel_efficient_cpu(
        torch.tensor([t[0] for t in trees]),
        torch.tensor([t[1] for t in trees]),
        torch.tensor(lengths),
        mask,
        positions,
        index,
        child,
        sibling,
        topk,
        steps,
        n,
        mode,
    )
    assert index.tolist() == [list(range(n)), list(range(n, 2 * n))]
    offset = 0
    for i, length in enumerate(lengths):
        parents = cpu_kernels.parents_of(trees[i][0], trees[i][1], topk)
        width = n if mode == cpu_kernels.QLEN_ONLY else length + n
        block = mask[offset : offset + n * width].view(n, width)
        offset += n * width
        assert block[:, : width - n].all(), "every node sees the whole prefix"
        for node in range(n):
            ancestors = {node}
            while node and (node := parents[node]):
                ancestors.add(node)
            ancestors.add(0)
            row = max(ancestors)
            assert set(block[row, width - n :].nonzero().view(-1).tolist()) == ancestors
            assert positions[i * n + row] == length + len(ancestors) - 1
        children = {p: [c for c in range(1, n) if parents[c] == p] for p in range(n)}
        for parent, wanted in children.items():
            found, node = [], int(child[i, parent])
            while node != -1:
                found.append(node)
                node = int(sibling[i, node])
            assert found == wanted
    if mode == cpu_kernels.QLEN_ONLY:
        again = positions.clone(), index.clone(), child.clone(), sibling.clone()
        cpu_kernels.reconstruct_indices_from_tree_mask(mask, torch.tensor(lengths), *again, 2, n)
        for rebuilt, built in zip(again, (positions, index, child, sibling), strict=True):
            assert torch.equal(rebuilt, built), "the mask alone says all of it"


def test_the_walk_takes_the_longest_path_that_the_target_agrees_with():
    #        0 (root)      the target says 5 after the root, 7 after node 2, 9 after node 4
    #      1   2
    #          3 4
    candidates = torch.tensor([[0, 4, 5, 6, 7]])
    child, sibling = torch.tensor([[1, -1, 3, -1, -1]]), torch.tensor([[-1, 2, -1, 4, -1]])
    target = torch.tensor([[5, 1, 7, 1, 9]])
    predicts = torch.zeros(5, dtype=torch.int32)
    accepted, count = torch.full((1, 4), -1), torch.zeros(1, dtype=torch.int32)
    cpu_kernels.verify_tree_greedy_cpu(
        predicts, accepted, count, candidates, torch.arange(5)[None], child, sibling, target
    )
    assert accepted.tolist() == [[0, 2, 4, -1]] and count.tolist() == [2]
    assert predicts[[0, 2, 4]].tolist() == [5, 7, 9]
    assert not predicts[[1, 3]].any()


def test_copying_cache_rows_reads_before_it_writes():
    cache = torch.arange(12.0).view(6, 2).clone()
    cpu_kernels.copy_all_layer_kv_cache_cpu(
        torch.tensor([cache.data_ptr()]),
        torch.tensor([2 * ctypes.sizeof(ctypes.c_float)]),
        torch.tensor([1, 2, 3]),
        torch.tensor([3, 1, 3]),
    )
    assert cache.tolist() == [[0, 1], [6, 7], [2, 3], [6, 7], [8, 9], [10, 11]]


def test_bonus_and_slots_of_what_was_accepted():
    bonus = torch.zeros(2, dtype=torch.int32)
    cpu_kernels.fill_bonus_tokens_cpu(
        torch.tensor([[1, 2, 0], [3, 0, 0]]), torch.tensor([2, 1]), bonus, 3
    )
    assert bonus.tolist() == [2, 3]
    slots = torch.zeros(4, dtype=torch.long)
    cpu_kernels.fill_accept_out_cache_loc_cpu(
        torch.tensor([[0, 2], [4, -1]]), torch.tensor([10, 11, 12, 13, 14, 15]), slots
    )
    assert slots.tolist() == [10, 12, 14, 0]


def test_each_branch_sees_the_prefix_and_its_own_drafts():
    table = torch.arange(40).view(2, 20)
    rows = cpu_kernels.build_draft_decode_metadata_cpu(
        table, torch.tensor([1]), torch.tensor([5]), topk=2, num_steps=3, pool_len=0
    )
    assert rows[0, :8].tolist() == [*range(20, 25), 25, 26, 27]
    assert rows[1, :8].tolist() == [*range(20, 25), 28, 29, 30]


def test_rotating_shifts_within_each_request():
    ids = torch.tensor([1, 2, 3, 4, 5])
    cpu_kernels.rotate_input_ids_cpu(
        ids, torch.tensor([0, 3]), torch.tensor([3, 2]), torch.tensor([[9], [8]])
    )
    assert ids.tolist() == [2, 3, 9, 5, 8]
