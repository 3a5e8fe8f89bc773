"""The arithmetic and the table of the GPU report. Pure, and tested without a GPU."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MIB = 1 << 20


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
        if len(speeds) < 2:
            return cls(speeds[0], speeds[0], speeds[0])
        low, median, high = statistics.quantiles(speeds, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:.1f} tok/s ({self.low:.1f}–{self.high:.1f})"


def ratio(one: Speed, other: Speed) -> str:
    return f"{one.median / other.median:.2f}×"


def accept_length(verify_steps: int, accepted_drafts: int) -> float | None:
    """Tokens per verify step over all requests, the bonus token included."""
    return (verify_steps + accepted_drafts) / verify_steps if verify_steps else None


def smi_processes(output: str) -> dict[int, int]:
    """pid → bytes, from ``nvidia-smi --query-compute-apps=pid,used_memory
    --format=csv,noheader,nounits``; what it does not tell is left out."""
    found = {}
    for line in output.splitlines():
        if told := re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*", line):
            found[int(told[1])] = int(told[2]) * MIB
    return found


def smi_card(output: str) -> tuple[int, int]:
    """Used and total bytes, from ``--query-gpu=memory.used,memory.total`` in that format."""
    used, total = output.strip().splitlines()[0].split(",")
    return int(used) * MIB, int(total) * MIB


@dataclass(frozen=True, slots=True)
class Row:
    """``simulated``: the acceptance is made up, so this says what the engine can do."""

    what: str
    value: str
    simulated: bool = False


def table(title: str, rows: Sequence[Row]) -> str:
    marked = [
        (row.what + (" (simulated acceptance)" if row.simulated else ""), row.value) for row in rows
    ]
    lines = [f"| {what} | {value} |" for what, value in marked]
    return "\n".join([f"{title}\n", "| measured | value |", "|---|---|", *lines])


def _list(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return shown + (", …" if len(numbers) > 8 else "")
