"""Whether a pair is whole and its draft fits its target, before the engine is started.

Configurations and weight headers only: no torch, and in a second, where the engine would
take half a minute to say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from chatapp.domain import Pair
from chatapp.errors import PairError
from chatapp.pairs.drafters import DRAFTERS
from chatapp.pairs.files.configuration import configuration
from chatapp.pairs.files.weights import Tensor, tensors
from chatapp.pairs.fit.finding import Finding, Severity
from chatapp.pairs.fit.target_check import target_files, target_model


def examine(pair: Pair) -> list[Finding]:
    """Everything that is to be said of a pair; empty when it is right."""
    return list(_all(pair))


def check(pair: Pair) -> None:
    """Raises PairError for the first problem."""
    for finding in _all(pair):
        if finding.severity is Severity.PROBLEM:
            raise finding.error()


def _all(pair: Pair) -> Iterator[Finding]:
    yield from target_files(pair.target)
    try:
        target = configuration(pair.target)
    except PairError as error:
        yield Finding.of(error)
        return
    weights, unreadable = _weights(pair.target)
    yield from unreadable
    if not unreadable:
        yield from target_model(pair.target, target, weights)
    yield from DRAFTERS[pair.drafter].findings(pair, target)


def _weights(folder: Path) -> tuple[Mapping[str, Tensor] | None, list[Finding]]:
    try:
        return tensors(folder), []
    except PairError as error:
        return None, [Finding.of(error)]
