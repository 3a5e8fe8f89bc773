"""EAGLE-3: a small head that reads hidden states of the one target it was trained for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chatapp.domain import Pair, Tree
from chatapp.errors import PairError
from chatapp.pairs.drafters.drafter import Drafter
from chatapp.pairs.drafters.eagle3_check import DraftCheck, depth, target_gives_features
from chatapp.pairs.files.configuration import configuration
from chatapp.pairs.files.shapes import DraftShape
from chatapp.pairs.files.weights import tensors
from chatapp.pairs.fit.finding import Finding, problem


class Eagle3(Drafter):
    name = "EAGLE3"
    weights = True
    tree = Tree(5, 4, 16)
    trees = (Tree(3, 1, 4), Tree(5, 1, 6), Tree(7, 1, 8), Tree(5, 4, 8), Tree(5, 4, 16))

    def flags(self, pair: Pair) -> list[str]:
        return [
            *("--speculative-draft-model-path", str(pair.draft)),
            *("--speculative-num-steps", str(pair.tree.steps)),
            *("--speculative-eagle-topk", str(pair.tree.topk)),
            *("--speculative-num-draft-tokens", str(pair.tree.draft_tokens)),
        ]

    def findings(self, pair: Pair, target: Mapping[str, Any]) -> Iterator[Finding]:
        if pair.draft is None:
            yield problem("drafter_needs_draft", path=pair.target)
            return
        yield from target_gives_features(pair.target, target)
        try:
            draft = configuration(pair.draft)
        except PairError as error:
            yield Finding.of(error)
            return
        weights = None
        try:
            weights = tensors(pair.draft)
        except PairError as error:
            yield Finding.of(error)
        yield from DraftCheck(pair.draft, draft, target, pair.context_length).findings(weights)
        yield from depth(target)

    def shape(self, pair: Pair) -> DraftShape:
        return DraftShape.from_config(configuration(pair.draft or Path()))
