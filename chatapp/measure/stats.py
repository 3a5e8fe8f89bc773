"""Estimates with their spread, by formulas that can be looked up. Pure, no scipy.

* A mean: Student's t interval, m ± t(n−1) · s / √n.
* A mean of ratios of pairs: the same on their logarithms, so the geometric mean, because
  2× and ½× must cancel out (Fleming and Wallace, CACM 29(3), 1986).
* A ratio of sums over many requests: the percentile bootstrap over requests (Efron and
  Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13), seeded.

All intervals are 95%.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

RESAMPLES = 1000

# Two-sided 95% quantiles of Student's t for 1 to 30 degrees of freedom.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_NORMAL95 = 1.959964

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value from ``n`` measurements. ``low`` and ``high`` are None when there is only
    one: one measurement has no spread."""

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        """Half of the interval, for "± x"."""
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2


def t95(degrees: int) -> float:
    """The two-sided 95% quantile of Student's t (beyond 30: Cornish–Fisher)."""
    if degrees < 1:
        raise ValueError("no degrees of freedom")
    if degrees <= len(_T95):
        return _T95[degrees - 1]
    z = _NORMAL95
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def mean(values: Sequence[float]) -> Estimate | None:
    """None of nothing."""
    if not values:
        return None
    middle, n = statistics.fmean(values), len(values)
    if n == 1:
        return Estimate(middle, None, None, n)
    reach = t95(n - 1) * statistics.stdev(values) / math.sqrt(n)
    return Estimate(middle, middle - reach, middle + reach, n)


def geometric_mean(ratios: Sequence[float]) -> Estimate | None:
    """Of positive ratios; None of nothing."""
    logs = mean([math.log(ratio) for ratio in ratios])
    if logs is None:
        return None
    if logs.low is None or logs.high is None:
        return Estimate(math.exp(logs.value), None, None, logs.n)
    return Estimate(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.n)


def bootstrap(
    items: Sequence[Item], statistic: Callable[[Sequence[Item]], float | None], seed: int = 0
) -> Estimate | None:
    """``statistic`` of all items, its interval from resampled ones; None where there is no
    such statistic of them."""
    value = statistic(items) if items else None
    if value is None:
        return None
    if len(items) == 1:
        return Estimate(value, None, None, 1)
    chance = random.Random(seed)
    drawn = (statistic(chance.choices(items, k=len(items))) for _ in range(RESAMPLES))
    found = sorted(one for one in drawn if one is not None)
    low, high = (found[round(share * (len(found) - 1))] for share in (0.025, 0.975))
    return Estimate(value, low, high, len(items))
