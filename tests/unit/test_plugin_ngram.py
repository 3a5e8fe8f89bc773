"""The n-gram table and the window that is verified of what it drafts."""

from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chatapp.sglang_plugin import ngram_hooks
from chatapp.sglang_plugin.ngram_table import NgramTable, Trie


def table(size: int = 6, most: int = 1, depth: int = 8, capacity: int = 1000) -> NgramTable:
    return NgramTable(capacity, depth, 1, most, size, "BFS")


def drafted(made: NgramTable, context: list[int]) -> set[tuple[int, ...]]:
    """Every path of the tree that is drafted after ``context``, the root left out."""
    tokens, mask = made.match_stateful([0], [context], [len(context)])
    rows = mask.reshape(len(tokens), len(tokens))
    paths = {tuple(tokens[row.nonzero()[0]][1:].tolist()) for row in rows}
    return {path for path in paths if path and any(path)}


def prefixes(*tokens: int) -> set[tuple[int, ...]]:
    return {tokens[: n + 1] for n in range(len(tokens))}


def test_what_followed_before_is_drafted_again():
    made = table()
    made.insert([[1, 2, 3, 4, 5, 6, 7, 8]])
    assert drafted(made, [9, 2, 3]) == prefixes(4, 5, 6, 7, 8)
    assert drafted(made, [9, 9]) == set()


def test_the_longest_match_comes_first_and_the_latest_before_the_earlier():
    made = table(size=3)
    made.insert([[1, 2, 5], [3, 2, 6], [4, 2, 7]])
    assert drafted(made, [1, 2]) == {(5,), (7,)}, "the long match, then the latest of the short"
    assert drafted(made, [9, 2]) == {(7,)}
    assert drafted(table_of(made, most=3), [9, 2]) == {(7,), (6,)}


def table_of(made: NgramTable, most: int) -> NgramTable:
    wide = table(size=3, most=most)
    wide.trie = made.trie
    return wide


def test_a_full_table_forgets_what_was_not_seen_for_longest():
    trie = Trie(depth=3, capacity=16)
    random_text = random.Random(1)
    for _ in range(50):
        trie.insert([random_text.randrange(9) for _ in range(5)])
        assert len(trie) < 16
    trie.insert([1, 2, 3])
    assert [length for length, _ in trie.matches([1, 2])] == [2, 1]


def test_a_trees_mask_shows_each_node_its_ancestors():
    made = table(size=4, most=3)
    made.insert([[1, 2, 3], [1, 4]])
    tokens, mask = made.match_stateful([0], [[1]], [1])
    assert tokens.tolist() == [1, 4, 2, 3]
    assert mask.reshape(4, 4).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 1]]


@pytest.mark.parametrize(
    ("drafts", "width"),
    [
        ([[7, 0, 0, 0]], 1),
        ([[7, 3, 0, 0]], 2),
        ([[7, 3, 0, 0], [8, 5, 6, 0]], 3),
        ([[7, 0, 0, 4]], 4),
    ],
)
def test_the_window_is_as_wide_as_what_was_drafted(drafts, width):
    assert ngram_hooks.widest(np.array(drafts)) == width


def verify_input() -> SimpleNamespace:
    """Two requests, trees of four nodes: a chain of three drafts; one draft and two zeros."""
    chain = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    one = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]
    return SimpleNamespace(
        draft_token=torch.tensor([1, 2, 3, 4, 5, 6, 0, 0]),
        positions=torch.tensor([9, 10, 11, 12, 20, 21, 21, 21]),
        custom_mask=torch.tensor([chain, one], dtype=torch.bool).view(-1),
        retrieve_index=torch.arange(8).view(2, 4),
        retrieve_next_token=torch.tensor([[1, 2, 3, -1], [1, -1, -1, -1]]),
        retrieve_next_sibling=torch.tensor([[-1, -1, -1, -1], [-1, 2, 3, -1]]),
        draft_token_num=4,
        num_tokens_per_req=4,
        num_tokens_for_logprob_per_req=4,
    )


def test_a_narrowed_window_is_the_head_of_each_tree():
    info = verify_input()
    slots = ngram_hooks.narrow(info, torch.arange(100, 108), 2)
    assert slots.tolist() == [100, 101, 104, 105]
    assert info.draft_token.tolist() == [1, 2, 5, 6]
    assert info.positions.tolist() == [9, 10, 20, 21]
    assert info.custom_mask.view(2, 2, 2).int().tolist() == [[[1, 0], [1, 1]]] * 2
    assert info.retrieve_index.tolist() == [[0, 1], [2, 3]]
    assert info.retrieve_next_token.tolist() == [[1, -1], [1, -1]]
    assert info.retrieve_next_sibling.tolist() == [[-1, -1], [-1, -1]]
    assert info.draft_token_num == info.num_tokens_per_req == 2


def test_rows_are_as_wide_again_as_the_scheduler_takes_them():
    assert ngram_hooks.widen(torch.tensor([1, 2, 3, 4]), 2, 3).tolist() == [1, 2, 0, 3, 4, 0]


@pytest.mark.parametrize(("device", "width"), [("cpu", 2), ("cuda", 4)])
def test_the_window_is_narrowed_where_no_graph_is_captured(device, width):
    info = verify_input()
    info.draft_token[2:4] = 0
    worker = SimpleNamespace(
        device=device, speculative_num_draft_tokens=4, draft_token_num=4,
        grammar_tree_host=(info.custom_mask.numpy(), info.draft_token.numpy()),
    )  # fmt: skip
    mode = SimpleNamespace(is_target_verify=lambda: True)
    batch = SimpleNamespace(forward_mode=mode, spec_info=info, out_cache_loc=torch.arange(8))
    ngram_hooks.narrow_window(None, worker, batch)
    assert worker.draft_token_num == info.draft_token_num == width
    assert batch.out_cache_loc.numel() == 2 * width
    assert [len(part) for part in worker.grammar_tree_host] == [2 * width**2, 2 * width]

    def forward(worker, batch):
        following = SimpleNamespace(draft_token_num=width)
        return SimpleNamespace(
            next_token_ids=torch.ones(2 * width, dtype=torch.int32), next_draft_input=following
        )

    result = ngram_hooks.widen_result(forward, worker, batch)
    assert result.next_token_ids.numel() == 8 and worker.draft_token_num == 4
    assert result.next_draft_input.draft_token_num == 4


def request(speculation: bool, prompt: list[int]) -> SimpleNamespace:
    said = SimpleNamespace(custom_params={"speculation": speculation})
    return SimpleNamespace(sampling_params=said, origin_input_ids_unpadded=prompt, extra_key=None)


def test_a_prompt_is_entered_once_and_speculation_off_drafts_nothing():
    entered: list[list[int]] = []
    worker = SimpleNamespace(ngram_corpus=SimpleNamespace(batch_put=entered.extend))
    batch = SimpleNamespace(reqs=[request(True, [1, 2]), request(False, [3])])

    def found(worker, batch):
        return np.array([2, 5, 6, 3, 7, 8]), np.ones(18, dtype=np.int64)

    for _ in range(2):
        drafts, _ = ngram_hooks.look_up(found, worker, batch)
        assert drafts.tolist() == [2, 5, 6, 3, 0, 0]
    assert entered == [[1, 2], [3]]
