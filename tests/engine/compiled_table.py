"""A recorded check: our n-gram table drafts what SGLang's compiled one does.

It compiles theirs, which needs g++ and half a minute, so it is no part of the suite:
``python launcher.py test tests/engine/compiled_table.py``.
"""

from __future__ import annotations

import random

import pytest

from chatapp.sglang_plugin.ngram_table import NgramTable

TABLES = [
    {"max_trie_depth": depth, "draft_token_num": size, "max_bfs_breadth": most, "capacity": room}
    for depth, size, most, room in (
        (2, 2, 1, 300),
        (4, 8, 1, 300),
        (8, 12, 4, 2_000),
        (18, 12, 10, 300),
        (18, 8, 1, 2_000),
        (18, 16, 10, 100_000),
    )
]


@pytest.mark.parametrize("vocabulary", [3, 6, 30])
@pytest.mark.parametrize("about", TABLES, ids=str)
def test_both_draft_the_same_trees(about, vocabulary):
    about = about | {"match_type": "BFS", "min_bfs_breadth": 1}
    ours, theirs = NgramTable(**about), compiled()(**about)
    text = random.Random(vocabulary)
    for number in range(200):
        seen = [text.randrange(1, vocabulary) for _ in range(text.randrange(1, 40))]
        for table in (ours, theirs):
            table.insert([seen])
            table.synchronize()
        end = [text.randrange(1, vocabulary) for _ in range(text.randrange(1, 19))]
        end = end[-about["max_trie_depth"] :]
        assert paths(ours, end, number) == paths(theirs, end, number)


def paths(table, end: list[int], number: int) -> set[tuple[int, ...]]:
    """Of the tree, in whatever order its nodes stand."""
    tokens, mask = table.match_stateful([number], [end], [len(end)])
    rows = mask.reshape(len(tokens), len(tokens))
    return {tuple(tokens[row.nonzero()[0]].tolist()) for row in rows}


def compiled() -> type:
    from sglang.kernels.ops.speculative.ngram_corpus import get_ngram_corpus_cls

    return get_ngram_corpus_cls()
