"""Whether speculation pays here: from comparisons on this machine to a verdict. Pure.

A comparison is one observation (the geometric mean of its rounds' ratios), since rounds
of one prompt resemble each other. The verdict is about the closest group that has enough:
the same language and kind of text, the same language, or everything. It is *faster* or
*slower* only when the whole 95% interval lies on that side of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from chatapp.measure import stats
from chatapp.measure.stats import Estimate

ENOUGH_COMPARISONS = 3
ENOUGH_ROUNDS = 4

State = Literal["faster", "slower", "even", "unknown"]
Scope = Literal["language_and_kind", "language", "all"]


@dataclass(frozen=True, slots=True)
class Observation:
    """One comparison: what it was about and the ratio on / off of each round."""

    language: str
    kind: str
    ratios: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``speedup`` is the evidence, from ``comparisons`` prompts and ``rounds`` rounds in
    ``scope``. With state ``unknown`` it is what there is so far, possibly None."""

    state: State
    scope: Scope
    language: str
    kind: str
    speedup: Estimate | None
    comparisons: int
    rounds: int

    @property
    def keep_on(self) -> bool:
        """What *auto* does: on, unless speculation was measured to be slower."""
        return self.state != "slower"


def verdict(observations: Iterable[Observation], language: str, kind: str) -> Verdict:
    """About a reply in ``language`` of ``kind``."""
    known = [one for one in observations if one.ratios]
    groups: tuple[tuple[Scope, Callable[[Observation], bool]], ...] = (
        ("language_and_kind", lambda one: (one.language, one.kind) == (language, kind)),
        ("language", lambda one: one.language == language),
        ("all", lambda one: True),
    )
    for scope, belongs in groups:
        group = [one for one in known if belongs(one)]
        if _enough(group):
            return _verdict(group, scope, language, kind)
    return _verdict(known, "all", language, kind)


def _enough(group: Sequence[Observation]) -> bool:
    return len(group) >= ENOUGH_COMPARISONS or _rounds(group) >= ENOUGH_ROUNDS


def _verdict(group: list[Observation], scope: Scope, language: str, kind: str) -> Verdict:
    speedup = _speedup(group)
    state = _state(speedup) if _enough(group) else "unknown"
    return Verdict(state, scope, language, kind, speedup, len(group), _rounds(group))


def _speedup(group: Sequence[Observation]) -> Estimate | None:
    """Over comparisons once there are enough of them, else over the rounds there are."""
    if len(group) < ENOUGH_COMPARISONS:
        return stats.geometric_mean([ratio for one in group for ratio in one.ratios])
    means = (stats.geometric_mean(one.ratios) for one in group)
    return stats.geometric_mean([mean.value for mean in means if mean])


def _state(speedup: Estimate | None) -> State:
    if speedup is None or speedup.low is None or speedup.high is None:
        return "unknown"
    if speedup.low > 1:
        return "faster"
    return "slower" if speedup.high < 1 else "even"


def _rounds(group: Sequence[Observation]) -> int:
    return sum(len(one.ratios) for one in group)
