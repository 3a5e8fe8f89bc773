"""The n-gram table behind SGLang's NGRAM, in plain Python.

SGLang compiles its own in C++ when an engine starts, and a machine without a GPU need
have no compiler. This one stands in for it there: the same entries, the same matches,
the same trees of drafts (``srt/speculative/cpp_ngram`` and ``kernels/jit/csrc/
ngram_corpus`` in SGLang 0.5.23), which a test holds against the compiled one where it
can be built. It works at once where theirs has a thread, and knows no external corpora.

Every run of up to ``depth`` tokens that was seen is a path from the root of a trie. A
draft begins at the longest endings of the text that the trie knows.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class Node:
    """One token after those of its ancestors. ``children``: the latest seen comes last."""

    __slots__ = ("children", "parent", "token")

    def __init__(self, token: int = -1, parent: Node | None = None) -> None:
        self.token, self.parent = token, parent
        self.children: dict[int, Node] = {}


class Trie:
    """All runs of up to ``depth`` tokens, of at most ``capacity`` nodes: those that were
    not seen for longest are forgotten."""

    def __init__(self, depth: int, capacity: int) -> None:
        self.depth, self._capacity = depth, capacity
        self.root = Node()
        self._latest: OrderedDict[Node, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._latest)

    def insert(self, tokens: Sequence[int]) -> None:
        for start in range(len(tokens)):
            run = tokens[start : start + self.depth]
            while self._latest and len(self._latest) + len(run) >= self._capacity:
                self._forget(self._latest.popitem(last=False)[0])
            # The deepest first, so that no node is forgotten before its children.
            for node in reversed(self._walk_in(run)):
                self._latest[node] = None
                self._latest.move_to_end(node)

    def _walk_in(self, tokens: Sequence[int]) -> list[Node]:
        node, path = self.root, []
        for token in tokens:
            child = node.children.pop(token, None) or Node(token, node)
            node.children[token] = child
            path.append(child)
            node = child
        return path

    def _forget(self, node: Node) -> None:
        assert node.parent is not None
        del node.parent.children[node.token]

    def matches(self, context: Sequence[int]) -> Iterator[tuple[int, Node]]:
        """(length, where it leads) of every ending of ``context`` after which something
        was seen, the longest first."""
        for length in range(min(len(context), self.depth), 0, -1):
            node: Node | None = self.root
            for token in context[len(context) - length :]:
                node = node.children.get(token) if node else None
            if node is not None and node.children:
                yield length, node


@dataclass(frozen=True)
class Breadth:
    """How many children a node of a draft may have: ``least`` after the longest match,
    up to ``most`` after the shortest, and one step less with every step down."""

    least: int
    most: int
    depth: int

    @property
    def _longest(self) -> int:
        return max(1, self.depth - 1)

    @property
    def step(self) -> float:
        return (self.most - self.least) / self._longest

    def after(self, length: int) -> float:
        return (self._longest - length) * self.step + self.least


class DraftTree:
    """A tree of ``size`` nodes, the root being the last token of the text."""

    def __init__(self, last: int, size: int) -> None:
        self._size = size
        self._tokens, self._parents = [last], [0]
        self._at: dict[tuple[int, int], int] = {}

    @property
    def full(self) -> bool:
        return len(self._tokens) >= self._size

    def add(self, parent: int, token: int) -> int:
        """The node of ``token`` after ``parent``, which may be there already."""
        at = self._at.get((parent, token))
        if at is None:
            at = self._at[parent, token] = len(self._tokens)
            self._tokens.append(token)
            self._parents.append(parent)
        return at

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Tokens [size] and which nodes each attends to [size, size], in breadth-first
        order; what is left over is filled with zeros below the root."""
        order = self._breadth_first()
        place = {node: at for at, node in enumerate(order)}
        tokens = np.zeros(self._size, dtype=np.int64)
        mask = np.zeros((self._size, self._size), dtype=np.int64)
        mask[:, 0] = 1
        for at, node in enumerate(order):
            tokens[at] = self._tokens[node]
            mask[at] = mask[place[self._parents[node]]]
            mask[at, at] = 1
        np.fill_diagonal(mask, 1)
        return tokens, mask

    def _breadth_first(self) -> list[int]:
        below: dict[int, list[int]] = {}
        for node, parent in enumerate(self._parents[1:], start=1):
            below.setdefault(parent, []).append(node)
        order = [0]
        for node in order:
            order += below.get(node, ())
        return order


def draft_latest(trie: Trie, context: Sequence[int], size: int, breadth: Breadth) -> DraftTree:
    """SGLang's ``BFS``: what was seen latest, level by level."""
    draft = DraftTree(context[-1], size)
    for length, start in trie.matches(context):
        level = deque([(0, breadth.after(length), start)])
        while level and not draft.full:
            parent, width, node = level.popleft()
            for child in list(reversed(node.children.values()))[: max(1, int(width))]:
                if draft.full:
                    break
                at = draft.add(parent, child.token)
                level.append((at, width - breadth.step, child))
    return draft


class NgramTable:
    """In place of SGLang's compiled ``NgramCorpusFFI``, with its methods."""

    def __init__(
        self,
        capacity: int,
        max_trie_depth: int,
        min_bfs_breadth: int,
        max_bfs_breadth: int,
        draft_token_num: int,
        match_type: str,
        external_sam_budget: int = 0,
        external_corpus_max_tokens: int = 0,
    ) -> None:
        if match_type != "BFS":
            raise NotImplementedError(
                f"without a GPU drafts are what was seen latest: {match_type}"
            )
        self._breadth = Breadth(min_bfs_breadth, max_bfs_breadth, max_trie_depth)
        self._size, self._limits = draft_token_num, (max_trie_depth, capacity)
        self.reset()

    def insert(self, batch_tokens: list[list[int]]) -> None:
        for tokens in batch_tokens:
            self.trie.insert(tokens)

    def match_stateful(
        self, state_ids: list[int], batch_tokens: list[list[int]], total_lens: list[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tokens [requests * size] and masks [requests * size * size], flat. Theirs keeps
        the matches of the step before for each request; looking them up is as quick here."""
        drafts = [
            draft_latest(self.trie, tokens, self._size, self._breadth).arrays()
            for tokens in batch_tokens
        ]
        return (
            np.concatenate([tokens for tokens, _ in drafts]),
            np.concatenate([mask.reshape(-1) for _, mask in drafts]),
        )

    def synchronize(self) -> None:
        """Nothing is ever pending."""

    def reset(self) -> None:
        self.trie = Trie(*self._limits)

    def erase_states(self, state_ids: list[int]) -> None:
        """There are none."""

    def list_corpora(self) -> dict[str, int]:
        return {}

    def load_external_corpus_named(self, *_: Any) -> tuple[int, int]:
        raise NotImplementedError("external corpora need SGLang's compiled n-gram table")

    def remove_corpus(self, corpus_id: str) -> None:
        raise KeyError(corpus_id)
