"""What a comparison is made of: runs in two arms, and what they say together. Pure.

A *arm* is speculation on or off. A *round* is one run in each arm, right after each
other, so that drift of the machine meets both; rounds alternate which arm goes first.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from chatapp.domain import ReplyMetrics, Role, Sampling
from chatapp.measure import stats
from chatapp.measure.reply.averages import average
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace
from chatapp.measure.stats import Estimate


def seeds_repeat(device: str) -> bool:
    """Whether a seed gives the same text again, with speculation on and off. On a CPU our
    plug-in draws by it. On a GPU SGLang draws without it (sampling/sampling_batch_info.py:170)
    unless started with --enable-deterministic-inference, and even then a verified tree is
    drawn by other numbers than a plain step; that mode also takes 2 GiB for each of the two
    states and, with FlashInfer, does without the prefix cache."""
    return device == "cpu"


@dataclass(frozen=True, slots=True)
class Setting:
    """Where it was measured. ``simulated_accept_length``: acceptance was made up."""

    machine: str
    device: str
    pair: str
    tree: str
    dtype: str
    versions: dict[str, str] = field(default_factory=dict)
    simulated_accept_length: float | None = None

    @property
    def seeds_repeat(self) -> bool:
        return seeds_repeat(self.device)


@dataclass(frozen=True, slots=True)
class Run:
    """One answer. ``place`` is 1 or 2 in its round; ``cut``: cancelled before its end."""

    speculation: bool
    round: int
    place: int
    text: str
    trace: Trace
    finish_reason: str | None
    cut: bool = False

    @property
    def figures(self) -> ReplyMetrics:
        return metrics_of(self.trace)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``messages`` end with the user message that was answered; ``rounds`` were asked for,
    ``runs`` were made. ``id`` is 0 until it is kept."""

    created: float
    messages: tuple[tuple[Role, str], ...]
    language: str
    kind: str
    sampling: Sampling
    rounds: int
    setting: Setting
    runs: tuple[Run, ...] = ()
    cancelled: bool = False
    id: int = 0

    @property
    def prompt(self) -> str:
        return self.messages[-1][1]

    def arm(self, speculation: bool) -> tuple[Run, ...]:
        """Its whole runs."""
        return tuple(r for r in self.runs if r.speculation is speculation and not r.cut)

    def pairs(self) -> tuple[tuple[Run, Run], ...]:
        """(on, off) of every round that has both, whole."""
        off = {run.round: run for run in self.arm(False)}
        return tuple((run, off[run.round]) for run in self.arm(True) if run.round in off)

    def ratios(self) -> tuple[float, ...]:
        """Decode speed on / off, round by round, where both had time to measure."""
        figures = ((on.figures, off.figures) for on, off in self.pairs())
        speeds = ((on.tokens_per_second, off.tokens_per_second) for on, off in figures)
        return tuple(on / off for on, off in speeds if on and off)


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """Means over the whole runs of an arm; ``verify_steps`` and tokens are medians."""

    runs: int
    tokens_per_second: Estimate | None
    ttft_s: Estimate | None
    duration_s: Estimate | None
    accept_length: float | None
    verify_steps: float
    completion_tokens: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two texts part: the first character and the first token that differ, and
    why that can be: ``sampling``, ``near_ties`` or ``unexplained``."""

    round: int
    character: int
    token: int
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """``speedup`` is the geometric mean of the rounds' ratios. ``identical`` of ``pairs``
    rounds gave the same text; ``difference`` is the first that did not."""

    on: ArmSummary
    off: ArmSummary
    speedup: Estimate | None
    ttft_difference_s: float | None
    pairs: int
    identical: int
    difference: Difference | None


def summarise(comparison: Comparison) -> Summary:
    pairs = comparison.pairs()
    on, off = (_arm(comparison.arm(side)) for side in (True, False))
    found = [_difference(comparison, a, b) for a, b in pairs]
    ttft = on.ttft_s.value - off.ttft_s.value if on.ttft_s and off.ttft_s else None
    return Summary(
        on=on,
        off=off,
        speedup=stats.geometric_mean(comparison.ratios()),
        ttft_difference_s=ttft,
        pairs=len(pairs),
        identical=found.count(None),
        difference=next((one for one in found if one), None),
    )


def first_difference(one: Sequence[object], other: Sequence[object]) -> int | None:
    """The index where two sequences part; None when they are equal."""
    nothing = object()
    both = zip_longest(one, other, fillvalue=nothing)
    return next((at for at, (a, b) in enumerate(both) if a != b), None)


def _arm(runs: Sequence[Run]) -> ArmSummary:
    all_figures = [run.figures for run in runs]
    return ArmSummary(
        runs=len(runs),
        tokens_per_second=stats.mean(_known(f.tokens_per_second for f in all_figures)),
        ttft_s=stats.mean(_known(f.ttft_s for f in all_figures)),
        duration_s=stats.mean([f.duration_s for f in all_figures]),
        accept_length=average(all_figures).accept_length,
        verify_steps=_median(f.verify_steps for f in all_figures),
        completion_tokens=_median(f.completion_tokens for f in all_figures),
    )


def _difference(comparison: Comparison, on: Run, off: Run) -> Difference | None:
    character = first_difference(on.text, off.text)
    token = first_difference(on.trace.token_ids, off.trace.token_ids)
    if character is None:
        return None
    sampled = comparison.sampling.temperature > 0
    if sampled and not (comparison.setting.seeds_repeat and comparison.sampling.seed is not None):
        reason = "sampling"
    else:
        reason = "unexplained" if comparison.setting.dtype == "float32" else "near_ties"
    return Difference(on.round, character, token if token is not None else 0, reason)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _median(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.median(known) if known else 0
