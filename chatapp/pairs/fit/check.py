"""Whether a pair is whole and its draft fits its target, before the engine is started.

Configurations and weight headers only: no torch, and in a second, where the engine would
take half a minute to say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from chatapp.domain import Pair
from chatapp.errors import PairError
from chatapp.pairs.files.configuration import configuration
from chatapp.pairs.files.weights import Tensor, tensors
from chatapp.pairs.fit.draft_check import DraftCheck
from chatapp.pairs.fit.finding import Finding, Severity
from chatapp.pairs.fit.target_check import depth, target_files, target_model


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
        target, draft = configuration(pair.target), configuration(pair.draft)
    except PairError as error:
        yield Finding.of(error)
        return
    target_weights, target_findings = _weights(pair.target)
    draft_weights, draft_findings = _weights(pair.draft)
    yield from target_findings
    if not target_findings:
        yield from target_model(pair.target, target, target_weights)
    yield from draft_findings
    fits = DraftCheck(pair.draft, draft, target, pair.context_length)
    yield from fits.findings(draft_weights)
    yield from depth(target)


def _weights(folder: Path) -> tuple[Mapping[str, Tensor] | None, list[Finding]]:
    try:
        return tensors(folder), []
    except PairError as error:
        return None, [Finding.of(error)]
