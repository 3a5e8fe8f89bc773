"""What a histogram of accepted drafts says about each position of the draft. Pure.

The *k*-th draft token is the one at depth k of the tree; it can only be accepted where
the ones before it were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class Position:
    """The ``number``-th draft token, from 1: accepted in ``accepted`` of ``steps`` verify
    steps; ``reached`` of them had accepted all drafts before it."""

    number: int
    accepted: int
    reached: int
    steps: int

    @property
    def share(self) -> float:
        """Of all verify steps."""
        return self.accepted / self.steps

    @property
    def share_when_reached(self) -> float | None:
        """Of the steps that got this far; None when none did."""
        return self.accepted / self.reached if self.reached else None


def positions(histogram: Sequence[int]) -> tuple[Position, ...]:
    """One per draft token that was ever accepted; empty before the first verify step."""
    steps = sum(histogram)
    found = []
    reached = steps
    for number in range(1, len(histogram)):
        accepted = sum(histogram[number:])
        found.append(Position(number, accepted, reached, steps))
        reached = accepted
    return tuple(found)


def add(histograms: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Several replies' histograms as one."""
    total: tuple[int, ...] = ()
    for one in histograms:
        total = tuple(a + b for a, b in zip_longest(total, one, fillvalue=0))
    return total
