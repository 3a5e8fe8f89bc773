"""NGRAM: drafts are what followed the same words before, looked up in a table.

It has no weights and fits any target. SGLang makes a tree of drafts of whatever size was
found: ``topk`` is how many may follow one word, ``draft_tokens`` how many are verified at
most, and ``steps`` what SGLang derives from the two, or reserves for a chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chatapp.domain import Pair, Tree
from chatapp.pairs.drafters.drafter import Drafter
from chatapp.pairs.files.shapes import NO_DRAFT, DraftShape
from chatapp.pairs.fit.finding import Finding

# A node for each token after each of the runs that it ends: enough for some 10,000 tokens
# of text, in 70 MB. SGLang's own default, 1,000,000, is for its compiled table.
CAPACITY = 250_000


class Ngram(Drafter):
    name = "NGRAM"
    weights = False
    tree = Tree(7, 1, 8)
    trees = (Tree(3, 1, 4), Tree(7, 1, 8), Tree(11, 1, 12), Tree(15, 1, 16), Tree(1, 10, 12))

    def flags(self, pair: Pair) -> list[str]:
        return [
            *("--speculative-num-steps", str(pair.tree.steps)),
            *("--speculative-num-draft-tokens", str(pair.tree.draft_tokens)),
            *("--speculative-ngram-max-bfs-breadth", str(pair.tree.topk)),
            *("--speculative-ngram-capacity", str(CAPACITY)),
        ]

    def findings(self, pair: Pair, target: Mapping[str, Any]) -> Iterator[Finding]:
        """It fits every target."""
        yield from ()

    def shape(self, pair: Pair) -> DraftShape:
        """Its table lies in the machine's memory, none of it on the card."""
        return NO_DRAFT
