"""Estimates against figures from textbooks and against what intervals promise."""

from __future__ import annotations

import random
import statistics

import pytest

from chatapp.measure import stats


def test_t_interval_of_a_textbook_sample() -> None:
    # Nine values with mean 5 and standard deviation 1: 5 ± 2.306 · 1 / 3.
    values = [5 + deviation for deviation in (-1, 1, -1, 1, -1, 1, -1, 1, 0)]
    found = stats.mean(values)
    assert found is not None and found.n == 9
    assert found.value == pytest.approx(5)
    assert found.half_width == pytest.approx(2.306 * statistics.stdev(values) / 3, rel=1e-4)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (30, 2.042), (40, 2.021), (120, 1.980)]
)
def test_quantiles_of_t(degrees: int, quantile: float) -> None:
    assert stats.t95(degrees) == pytest.approx(quantile, abs=6e-4)


def test_ratios_that_cancel_out_average_to_one() -> None:
    found = stats.geometric_mean([2.0, 0.5, 4.0, 0.25])
    assert found is not None and found.value == pytest.approx(1.0)
    assert found.low == pytest.approx(1 / found.high)


def test_one_measurement_has_no_spread_and_none_has_no_value() -> None:
    one = stats.geometric_mean([1.7])
    assert one is not None and (one.low, one.high, one.half_width) == (None, None, None)
    assert stats.mean([]) is None and stats.geometric_mean([]) is None
    assert stats.bootstrap([], statistics.fmean) is None


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    chance = random.Random(1)
    held = booted = 0
    for round_number in range(300):
        values = [chance.gauss(10, 2) for _ in range(6)]
        by_t = stats.mean(values)
        held += by_t.low <= 10 <= by_t.high
        many = [chance.gauss(10, 2) for _ in range(40)]
        if round_number < 60:
            by_bootstrap = stats.bootstrap(many, statistics.fmean, seed=round_number)
            booted += by_bootstrap.low <= 10 <= by_bootstrap.high
    assert 0.92 <= held / 300 <= 0.98
    assert booted >= 51


def test_the_bootstrap_repeats_itself() -> None:
    values = [1.0, 2.0, 3.5, 2.2]
    assert stats.bootstrap(values, statistics.fmean) == stats.bootstrap(values, statistics.fmean)
