"""The step view of a reply: its text cut where verify steps end. Pure.

Text is cut between tokens only where that leaves whole characters: a character that is
spread over tokens is one piece, and steps that share a character are one group. The
pieces of all groups together are the reply's text, and its tokens are all there, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Protocol

from chatapp.measure.reply.trace import Trace

_BROKEN = "\ufffd"
# No UTF-8 character has more bytes; what is still broken then stays broken.
_LONGEST = 4


class Decoder(Protocol):
    """What ``tokenizers.Tokenizer`` offers here."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str: ...


class TokenSource(StrEnum):
    """How a token came: guessed by the draft and accepted, gained from the target by a
    verify step (the bonus), or from the target alone: the prompt's pass, or a step with
    speculation off."""

    DRAFTED = "drafted"
    BONUS = "bonus"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole characters, with the tokens that they are made of."""

    text: str
    token_ids: tuple[int, ...]
    sources: tuple[TokenSource, ...]

    @property
    def source(self) -> TokenSource:
        """Of its last token, which made the characters whole."""
        return self.sources[-1]


@dataclass(frozen=True, slots=True)
class Group:
    """The steps ``first`` to ``last``, mostly one. Step 0 is the prompt's pass.

    ``gained`` are tokens per step. ``ms`` is the time from the chunk before to the chunk
    that brought the last of them; ``shared_by`` steps arrived in that time together.
    """

    first: int
    last: int
    gained: tuple[int, ...]
    pieces: tuple[Piece, ...]
    ms: float
    shared_by: int

    @property
    def token_ids(self) -> tuple[int, ...]:
        return tuple(token for piece in self.pieces for token in piece.token_ids)


def groups(trace: Trace, decoder: Decoder) -> tuple[Group, ...]:
    """One reply in groups of verify steps, in order."""
    lengths = _lengths(trace)
    sources = _sources(trace.speculation, lengths)
    step_of = [number for number, length in enumerate(lengths) for _ in range(length)]
    clock = _Clock(trace, step_of)
    found = []
    for bundle in _bundles(whole_characters(trace.token_ids, decoder), step_of):
        start, end = bundle[0].start, bundle[-1].end
        first, last = step_of[start], step_of[end - 1]
        pieces = tuple(
            Piece(run.text, trace.token_ids[run.start : run.end], sources[run.start : run.end])
            for run in bundle
        )
        ms, shared_by = clock.time(start, end)
        found.append(Group(first, last, tuple(lengths[first : last + 1]), pieces, ms, shared_by))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class TokenRun:
    """Tokens ``start`` to ``end`` (excluded), which are whole characters."""

    start: int
    end: int
    text: str


def whole_characters(token_ids: Sequence[int], decoder: Decoder) -> list[TokenRun]:
    """The shortest runs of tokens that are whole characters."""
    runs = []
    start = before = 0
    for end in range(1, len(token_ids) + 1):
        # With the run before as context, as some decoders drop a space at the beginning.
        context = decoder.decode(list(token_ids[before:start]))
        text = decoder.decode(list(token_ids[before:end]))
        whole = not text.endswith(_BROKEN) or end - start >= _LONGEST
        if whole or end == len(token_ids):
            runs.append(TokenRun(start, end, text[len(context) :]))
            before, start = start, end
    return runs


def _lengths(trace: Trace) -> list[int]:
    """Tokens of step 0, 1, …; with speculation off each token is a step of its own."""
    total = len(trace.token_ids)
    if not trace.speculation:
        return [1] * total
    lengths = [total - sum(trace.step_lengths), *trace.step_lengths]
    if lengths[0] < 0:
        raise ValueError(f"{sum(trace.step_lengths)} tokens gained, but {total} came")
    return lengths


def _sources(speculation: bool, lengths: list[int]) -> tuple[TokenSource, ...]:
    if not speculation:
        return (TokenSource.TARGET,) * len(lengths)
    sources = [TokenSource.TARGET] * lengths[0]
    for length in lengths[1:]:
        sources += [*[TokenSource.DRAFTED] * (length - 1), TokenSource.BONUS]
    return tuple(sources)


def _bundles(runs: list[TokenRun], step_of: list[int]) -> list[list[TokenRun]]:
    """Runs of one step together; a run over two steps brings both together."""
    bundles: list[list[TokenRun]] = []
    for run in runs:
        if bundles and step_of[bundles[-1][-1].end - 1] == step_of[run.start]:
            bundles[-1].append(run)
        else:
            bundles.append([run])
    return bundles


class _Clock:
    """When tokens came: the chunk of each token, and the time and steps of each chunk."""

    def __init__(self, trace: Trace, step_of: list[int]) -> None:
        self._arrivals, self._step_of = trace.arrivals, step_of
        counts = (0, *(arrival.tokens for arrival in trace.arrivals))
        self._chunk_of = [
            number
            for number, (before, after) in enumerate(pairwise(counts))
            for _ in range(after - before)
        ]

    def time(self, start: int, end: int) -> tuple[float, int]:
        """Milliseconds of the chunks that brought these tokens; the steps in them."""
        first, last = self._chunk_of[start], self._chunk_of[end - 1]
        since, tokens = 0.0, 0
        if first:
            since, tokens = self._arrivals[first - 1].at, self._arrivals[first - 1].tokens
        until = self._arrivals[last]
        steps = self._step_of[until.tokens - 1] - self._step_of[tokens] + 1
        return (until.at - since) * 1000, steps
