"""The record of one reply's stream, from which every figure of the reply follows.

It grows with each chunk and is kept beside the reply: which tokens came, how many each
verify step gained, and when each chunk arrived. A chunk may hold several steps; then only
their common time is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chatapp.domain import Chunk


@dataclass(frozen=True, slots=True)
class Arrival:
    """One chunk: seconds since the request was sent; tokens and verify steps so far."""

    at: float
    tokens: int
    steps: int


@dataclass(slots=True)
class Trace:
    """``speculation`` is what was asked for, until the engine says what it did.

    ``step_lengths`` is empty when speculation was off: there was no verify step.
    ``histogram`` counts the steps by accepted drafts; an engine without our plug-in tells
    that alone. ``simulated_accept_length``: what the engine was told to make up, if it was.
    ``decode_s``: the time from the first token to the last by the engine's own clock.
    """

    speculation: bool
    prompt_tokens: int = 0
    cached_tokens: int = 0
    token_ids: tuple[int, ...] = ()
    step_lengths: tuple[int, ...] = ()
    arrivals: list[Arrival] = field(default_factory=list)
    histogram: tuple[int, ...] = ()
    simulated_accept_length: float | None = None
    decode_s: float | None = None

    @classmethod
    def of(cls, chunks: Iterable[Chunk], speculation: bool = True) -> Trace:
        """Of a stream that has been read."""
        trace = cls(speculation)
        for chunk in chunks:
            trace.add(chunk)
        return trace

    def add(self, chunk: Chunk) -> None:
        """The next chunk of the stream. Copies nothing that was there before."""
        self.speculation = chunk.speculation
        self.prompt_tokens, self.cached_tokens = chunk.prompt_tokens, chunk.cached_tokens
        self.token_ids, self.step_lengths = chunk.token_ids, chunk.step_lengths
        self.histogram, self.decode_s = chunk.histogram, chunk.decode_s
        self.arrivals.append(Arrival(chunk.at, chunk.completion_tokens, len(chunk.step_lengths)))
