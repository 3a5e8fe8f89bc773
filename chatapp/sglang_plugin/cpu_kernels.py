"""Index bookkeeping that SGLang asks of its CPU kernel package, in plain torch.

That package's wheel is CUDA only; a CPU build is on no registry. With
``SGLANG_USE_CPU_ENGINE=1`` SGLang imports these names from ``sgl_kernel``, so
``autoload`` installs this module under that name. No kernel is needed for
correctness, and ``torch.ops.sgl_kernel`` stays empty on purpose: SGLang then takes
its torch-native layers.

Shapes: ``bs`` requests, ``n`` tokens of the draft tree for each (the root first),
``req_to_token`` [requests, context] maps a request's positions to KV cache slots.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

FULL_MASK, QLEN_ONLY = 0, 1  # sglang.kernels.ops.speculative.spec_tree.TreeMaskMode


# --- slots of the KV cache ---------------------------------------------------------


def _pieces(rows: Tensor, start: Tensor, end: Tensor) -> Iterator[tuple[int, slice, slice]]:
    """Of each request its row, its positions there, and its place in the list of all slots,
    where requests stand one after the other."""
    taken = 0
    for row, first, last in zip(rows.tolist(), start.tolist(), end.tolist(), strict=True):
        yield row, slice(first, last), slice(taken, taken + last - first)
        taken += last - first


def assign_req_to_token_pool_cpu(
    req_pool_indices: Tensor,
    req_to_token: Tensor,
    start_offset: Tensor,
    end_offset: Tensor,
    out_cache_loc: Tensor,
    pool_len: int,
) -> None:
    """Writes each request's new slots into its row, from ``start`` to ``end``."""
    for row, positions, place in _pieces(req_pool_indices, start_offset, end_offset):
        req_to_token[row, positions] = out_cache_loc[place].to(req_to_token.dtype)


def assign_extend_cache_locs_cpu(
    req_pool_indices: Tensor,
    req_to_token: Tensor,
    start_offset: Tensor,
    end_offset: Tensor,
    out_cache_loc: Tensor,
    pool_len: int,
) -> None:
    """Reads the slots of ``[start, end)`` of each request, one after the other."""
    for row, positions, place in _pieces(req_pool_indices, start_offset, end_offset):
        out_cache_loc[place] = req_to_token[row, positions]


def assign_draft_cache_locs_contiguous_cpu(
    req_pool_indices: Tensor,
    req_to_token: Tensor,
    seq_lens: Tensor,
    out_cache_loc: Tensor,
    pool_len: int,
    topk: int,
    num_steps: int,
) -> None:
    """Reads the ``topk * num_steps`` draft slots that follow each sequence."""
    width = topk * num_steps
    out = out_cache_loc.view(-1, width)
    for i, (row, start) in enumerate(
        zip(req_pool_indices.tolist(), seq_lens.tolist(), strict=True)
    ):
        out[i] = req_to_token[row, start : start + width]


def build_draft_decode_metadata_cpu(
    req_to_token: Tensor,
    req_pool_indices: Tensor,
    seq_lens: Tensor,
    topk: int,
    num_steps: int,
    pool_len: int,
) -> Tensor:
    """Slots [bs * topk, context] of each branch: the prefix, then its own drafts."""
    rows = req_to_token[req_pool_indices].repeat_interleave(topk, dim=0)
    for i, start in enumerate(seq_lens.tolist()):
        drafts = req_to_token[req_pool_indices[i], start : start + topk * num_steps]
        rows[i * topk : (i + 1) * topk, start : start + num_steps] = drafts.view(topk, num_steps)
    return rows


def copy_all_layer_kv_cache_cpu(
    data_ptrs: Tensor, strides: Tensor, tgt_loc: Tensor, src_loc: Tensor
) -> None:
    """Copies slots within every layer's K and V buffer, given their base addresses.

    All sources are read before the first target is written: the two may overlap.
    """
    pairs = [
        (target, source)
        for target, source in zip(tgt_loc.tolist(), src_loc.tolist(), strict=True)
        if target != source
    ]
    if not pairs:
        return
    for base, stride in zip(data_ptrs.tolist(), strides.tolist(), strict=True):
        held = [ctypes.string_at(base + source * stride, stride) for _, source in pairs]
        for (target, _), row in zip(pairs, held, strict=True):
            ctypes.memmove(base + target * stride, row, stride)


# --- what was accepted -------------------------------------------------------------


def fill_bonus_tokens_cpu(
    accept_tokens: Tensor, accept_lens: Tensor, bonus_tokens: Tensor, accept_stride: int
) -> None:
    """Takes the last accepted token of each request, which is the bonus token."""
    last = torch.arange(accept_lens.numel()) * accept_stride + accept_lens.long() - 1
    bonus_tokens.copy_(accept_tokens.reshape(-1)[last])


def fill_accept_out_cache_loc_cpu(
    accept_index: Tensor, out_cache_loc: Tensor, accept_out_cache_loc: Tensor
) -> None:
    """Gathers the slots of the accepted nodes to the front (-1 marks no node)."""
    nodes = accept_index.reshape(-1)
    nodes = nodes[nodes >= 0].long()
    accept_out_cache_loc[: nodes.numel()] = out_cache_loc[nodes]


def rotate_input_ids_cpu(
    input_ids: Tensor,
    extend_start_loc: Tensor,
    extend_seq_lens: Tensor,
    topk_index: Tensor,
    select_index: Tensor | None = None,
) -> None:
    """Shifts each request's ids left by one and puts its next token at the end."""
    tokens = topk_index.reshape(-1)
    starts, lengths = extend_start_loc.tolist(), extend_seq_lens.tolist()
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        if length:
            end = start + length
            input_ids[start : end - 1] = input_ids[start + 1 : end].clone()
            last = end - 1 if select_index is None else int(select_index[i])
            input_ids[last] = tokens[i]


# --- the draft tree ----------------------------------------------------------------


def parents_of(parent_list: list[int], selected: list[int], topk: int) -> list[int | None]:
    """The parent node of every node, root 0 included; None for one cut off.

    ``selected[i]`` is where node ``i + 1`` stands in the flat list of all drafted
    tokens: ``topk`` of depth 1, then ``topk`` for each of the ``topk`` best of the
    depth before, whose place in that list ``parent_list`` holds (from index 1).
    """
    node_at = {place: node for node, place in reversed(list(enumerate(selected, start=1)))}
    parents: list[int | None] = [0]
    for place in selected:
        group = place // topk
        parents.append(0 if group == 0 else node_at.get(parent_list[group]))
    return parents


def build_tree_kernel_efficient_cpu(
    parent_list: Tensor,
    selected_index: Tensor,
    verified_seq_len: Tensor,
    tree_mask: Tensor,
    positions: Tensor,
    retrieve_index: Tensor,
    retrieve_next_token: Tensor,
    retrieve_next_sibling: Tensor,
    topk: int,
    depth: int,
    draft_token_num: int,
    tree_mask_mode: int,
) -> None:
    """Fills the tree's links, positions and attention mask for every request."""
    n, bs = draft_token_num, verified_seq_len.numel()
    if int(tree_mask_mode) not in (FULL_MASK, QLEN_ONLY):
        raise NotImplementedError(f"tree_mask_mode={tree_mask_mode}")
    retrieve_index.copy_(torch.arange(bs * n).view(bs, n))
    lengths = verified_seq_len.tolist()
    all_parents = parent_list.reshape(bs, -1).tolist()
    all_selected = selected_index.reshape(bs, n - 1).tolist()
    filled = 0
    for i, length in enumerate(lengths):
        parents = parents_of(all_parents[i], all_selected[i], topk)
        first_child, sibling = _links(parents)
        retrieve_next_token[i] = torch.tensor(first_child)
        retrieve_next_sibling[i] = torch.tensor(sibling)
        seen, depths = _ancestry(parents)
        positions[i * n : (i + 1) * n] = torch.tensor(depths) + length
        mask = torch.tensor(seen)
        if int(tree_mask_mode) == QLEN_ONLY:
            tree_mask.view(-1)[i * n * n : (i + 1) * n * n] = mask.view(-1)
        else:  # the caller filled the prefix columns
            width = length + n
            block = tree_mask.view(-1)[filled : filled + n * width].view(n, width)
            block[:, length:] = mask
            filled += n * width


def reconstruct_indices_from_tree_mask(
    tree_mask: Tensor,
    verified_seq_len: Tensor,
    positions: Tensor,
    retrieve_index: Tensor,
    retrieve_next_token: Tensor,
    retrieve_next_sibling: Tensor,
    batch_size: int,
    draft_token_num: int,
) -> None:
    """Fills positions and links of trees given by who attends to whom [bs, n, n]."""
    bs, n = batch_size, draft_token_num
    nodes = torch.arange(n)
    above = tree_mask.view(bs, n, n).bool() & (nodes < nodes[:, None])
    positions.copy_((above.sum(-1) + verified_seq_len[:, None]).view(-1))
    retrieve_index.copy_(torch.arange(bs * n).view(bs, n))
    for i, parents in enumerate(torch.where(above, nodes, 0).amax(-1).tolist()):
        first_child, sibling = _links(parents)
        retrieve_next_token[i] = torch.tensor(first_child)
        retrieve_next_sibling[i] = torch.tensor(sibling)


def _links(parents: Sequence[int | None]) -> tuple[list[int], list[int]]:
    """First child and next sibling of each node, -1 for none; best drafts first."""
    first_child, sibling = [-1] * len(parents), [-1] * len(parents)
    for node in range(len(parents) - 1, 0, -1):
        parent = parents[node]
        if parent is not None:
            sibling[node], first_child[parent] = first_child[parent], node
    return first_child, sibling


def _ancestry(parents: list[int | None]) -> tuple[list[list[bool]], list[int]]:
    """Which nodes each node attends to (itself and its ancestors), and its depth."""
    n = len(parents)
    seen = [[node == 0 for node in range(n)] for _ in range(n)]
    depths = [0] * n
    for node in range(1, n):
        current: int | None = node
        while current:
            seen[node][current] = True
            depths[node] += 1
            current = parents[current]
    return seen, depths


def verify_tree_greedy_cpu(
    predicts: Tensor,
    accept_index: Tensor,
    accept_token_num: Tensor,
    candidates: Tensor,
    retrive_index: Tensor,
    retrive_next_token: Tensor,
    retrive_next_sibling: Tensor,
    target_predict: Tensor,
) -> None:
    """Walks each tree from its root along the target's tokens.

    ``target_predict`` [bs, n] is the target's token after every node. A child whose
    drafted token is that token is accepted; the walk's last token is the bonus.
    """
    drafted = candidates.tolist()
    index = retrive_index.view_as(candidates).tolist()
    child = retrive_next_token.view_as(candidates).tolist()
    sibling = retrive_next_sibling.view_as(candidates).tolist()
    wanted = target_predict.reshape(candidates.shape).tolist()
    for i in range(candidates.shape[0]):
        path = _accepted_path(drafted[i], child[i], sibling[i], wanted[i], accept_index.shape[1])
        for place, node in enumerate(path):
            accept_index[i, place] = index[i][node]
            predicts[index[i][node]] = wanted[i][node]
        accept_token_num[i] = len(path) - 1


def _accepted_path(
    drafted: list[int], child: list[int], sibling: list[int], wanted: list[int], longest: int
) -> list[int]:
    path = [0]
    while len(path) < longest:
        node = child[path[-1]]
        while node != -1 and drafted[node] != wanted[path[-1]]:
            node = sibling[node]
        if node == -1:
            break
        path.append(node)
    return path
