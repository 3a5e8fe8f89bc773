"""The record of one reply's stream that every figure can be recomputed from. Pure.

Kept beside the reply: which tokens came, how many each verify step gained, and when each
chunk arrived. A chunk may hold several steps; then only their common time is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.domain import Chunk, Figures


@dataclass(frozen=True, slots=True)
class Arrival:
    """One chunk: seconds since the request was sent; tokens and verify steps so far."""

    at: float
    tokens: int
    steps: int


@dataclass(frozen=True, slots=True)
class Trace:
    """``step_lengths`` is empty when speculation was off: there was no verify step."""

    speculation: bool
    prompt_tokens: int
    cached_tokens: int
    token_ids: tuple[int, ...]
    step_lengths: tuple[int, ...]
    arrivals: tuple[Arrival, ...]


def trace_of(chunks: Sequence[Chunk]) -> Trace:
    """Of all chunks of one reply, in order; at least one."""
    last = chunks[-1]
    lengths: list[int] = []
    arrivals = []
    for chunk in chunks:
        if last.counts.speculation:
            lengths.extend(chunk.step_lengths)
        arrivals.append(Arrival(chunk.at, chunk.completion_tokens, len(lengths)))
    return Trace(
        last.counts.speculation,
        last.prompt_tokens,
        last.cached_tokens,
        last.token_ids,
        tuple(lengths),
        tuple(arrivals),
    )


def figures_of(trace: Trace) -> Figures:
    """The figures that follow from the record; they equal those that were shown."""
    first, last = trace.arrivals[0], trace.arrivals[-1]
    steps, gained = len(trace.step_lengths), sum(trace.step_lengths)
    seconds = last.at - first.at
    return Figures(
        speculation=trace.speculation,
        prompt_tokens=trace.prompt_tokens,
        completion_tokens=last.tokens,
        cached_tokens=trace.cached_tokens,
        verify_steps=steps,
        accepted_drafts=gained - steps,
        accept_histogram=histogram(trace.step_lengths),
        accept_length=gained / steps if steps else None,
        tokens_per_second=(last.tokens - first.tokens) / seconds if seconds > 0 else None,
        ttft_s=first.at,
        duration_s=last.at,
        step_lengths=trace.step_lengths,
    )


def histogram(step_lengths: Sequence[int]) -> tuple[int, ...]:
    """``[i]``: verify steps that accepted ``i`` draft tokens."""
    seen = Counter(length - 1 for length in step_lengths)
    return tuple(seen[drafts] for drafts in range(max(seen, default=-1) + 1))
