"""From the chunks of one reply to its figures. Pure: no clock, no engine.

The counts come from the engine and are exact however chunks merge; the speeds follow
from the chunks' own times. *Now* means the last second, or the last ten verify steps.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from chatapp.domain import Chunk, Counts, Figures
from chatapp.measure.trace import Arrival, Trace

WINDOW_S = 1.0
WINDOW_STEPS = 10


@dataclass(frozen=True, slots=True)
class LiveFigures:
    """What is known of a reply while it streams; None: nothing to measure yet."""

    tokens_per_second_now: float | None
    tokens_per_second: float | None
    accept_length_now: float | None
    accept_length: float | None
    ttft_s: float | None
    completion_tokens: int
    verify_steps: int
    histogram: tuple[int, ...]
    step_lengths: tuple[int, ...]


class ReplyMeter:
    """Takes the chunks of one reply as they come. ``speculation`` is what was asked for;
    what the engine reports with the chunks wins over it. ``simulated``: the accept length
    that the engine was told to make up, if it was."""

    def __init__(self, speculation: bool, simulated: float | None = None) -> None:
        self._asked, self._simulated = speculation, simulated
        self._first: Chunk | None = None
        self._last: Chunk | None = None
        self._steps: list[int] = []
        self._arrivals: list[Arrival] = []
        self._recent: deque[Chunk] = deque()

    def add(self, chunk: Chunk) -> None:
        self._first = self._first or chunk
        self._last = chunk
        if chunk.counts.speculation:
            self._steps.extend(chunk.step_lengths)
        self._arrivals.append(Arrival(chunk.at, chunk.completion_tokens, len(self._steps)))
        self._recent.append(chunk)
        while len(self._recent) > 2 and self._recent[1].at <= chunk.at - WINDOW_S:
            self._recent.popleft()

    @property
    def began(self) -> bool:
        return self._first is not None

    def live(self) -> LiveFigures:
        counts = self._counts
        last_steps = self._steps[-WINDOW_STEPS:]
        return LiveFigures(
            tokens_per_second_now=_speed(self._recent[0], self._last) if self._recent else None,
            tokens_per_second=_speed(self._first, self._last),
            accept_length_now=sum(last_steps) / len(last_steps) if last_steps else None,
            accept_length=counts.accept_length,
            ttft_s=self._first.at if self._first else None,
            completion_tokens=self._last.completion_tokens if self._last else 0,
            verify_steps=counts.verify_steps,
            histogram=counts.histogram,
            step_lengths=tuple(self._steps),
        )

    def figures(self) -> Figures:
        counts, last = self._counts, self._last
        return Figures(
            speculation=counts.speculation,
            prompt_tokens=last.prompt_tokens if last else 0,
            completion_tokens=last.completion_tokens if last else 0,
            cached_tokens=last.cached_tokens if last else 0,
            verify_steps=counts.verify_steps,
            accepted_drafts=counts.accepted_drafts,
            accept_histogram=counts.histogram,
            accept_length=counts.accept_length,
            tokens_per_second=_speed(self._first, last),
            ttft_s=self._first.at if self._first else None,
            duration_s=last.at if last else 0.0,
            step_lengths=tuple(self._steps),
            simulated_accept_length=self._simulated if counts.speculation else None,
        )

    def trace(self) -> Trace:
        """The record of the stream so far, from which all figures can be recomputed."""
        counts, last = self._counts, self._last
        return Trace(
            speculation=counts.speculation,
            prompt_tokens=last.prompt_tokens if last else 0,
            cached_tokens=last.cached_tokens if last else 0,
            token_ids=last.token_ids if last else (),
            step_lengths=tuple(self._steps),
            arrivals=tuple(self._arrivals),
        )

    @property
    def _counts(self) -> Counts:
        return self._last.counts if self._last else Counts(speculation=self._asked)


def _speed(since: Chunk | None, until: Chunk | None) -> float | None:
    """Tokens per second between two chunks; None when there is no time between them."""
    if since is None or until is None or until.at <= since.at:
        return None
    return (until.completion_tokens - since.completion_tokens) / (until.at - since.at)
