"""The arithmetic of the GPU report. Pure, and tested without a GPU."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.units import GIB


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of the same prompts' answers are the same tokens; where others part."""

    equal: int
    total: int
    first_differences: tuple[int, ...]

    def __str__(self) -> str:
        text = f"{self.equal} of {self.total} equal"
        if not self.first_differences:
            return text
        return f"{text}; others first differ at token {_list(self.first_differences)}"


def agreement(some: Sequence[Sequence[int]], others: Sequence[Sequence[int]]) -> Agreement:
    """Answers in the same order. Positions count from one."""
    parts = [first_difference(a, b) for a, b in zip(some, others, strict=True)]
    differing = tuple(sorted(part for part in parts if part is not None))
    return Agreement(len(parts) - len(differing), len(parts), differing)


def first_difference(a: Sequence[int], b: Sequence[int]) -> int | None:
    """None when they are equal. One that merely ends earlier differs after its end."""
    for at, (one, other) in enumerate(zip(a, b, strict=False), 1):
        if one != other:
            return at
    return None if len(a) == len(b) else min(len(a), len(b)) + 1


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second and stream: the median, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, speeds: Sequence[float]) -> Speed:
        """Raises ValueError of nothing."""
        if not speeds:
            raise ValueError("no reply was long enough to tell its speed")
        if len(speeds) < 2:
            return cls(speeds[0], speeds[0], speeds[0])
        low, median, high = statistics.quantiles(speeds, n=4, method="inclusive")
        return cls(median, low, high)

    def against(self, other: Speed | None) -> str:
        """With the ratio of the medians, where there is another."""
        return str(self) if other is None else f"{self}, {ratio(self, other)}"

    def __str__(self) -> str:
        return f"{self.median:.1f} tok/s ({self.low:.1f}–{self.high:.1f})"


def ratio(one: Speed, other: Speed) -> str:
    return f"{one.median / other.median:.2f}×"


def number(value: float | None) -> str:
    return "not told" if value is None else f"{value:.2f}"


def gigabytes(size: int | None) -> str:
    """Video memory as ``nvidia-smi`` counts it, fine enough to compare two accounts."""
    return "not told" if size is None else f"{size / GIB:.2f} GB"


def _list(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return shown + (", …" if len(numbers) > 8 else "")
