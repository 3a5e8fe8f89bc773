"""Whether two ways to draw tokens draw from one distribution."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.engine.raw import Job, Raw


def two_sample_p(a: Counter, b: Counter, least: int = 20) -> float:
    """p-value of the chi-square test that two samples come from one distribution.

    Rare values are pooled. Tail probability by Wilson and Hilferty's approximation
    (1931), good to a few per cent here.
    """
    common = [value for value in a | b if a[value] + b[value] >= least]
    table = [(a[value], b[value]) for value in common]
    rest = (a.total() - sum(x for x, _ in table), b.total() - sum(y for _, y in table))
    table += [rest] if sum(rest) >= least else []
    share = a.total() / (a.total() + b.total())
    statistic = sum(
        (x - (x + y) * share) ** 2 / ((x + y) * share)
        + (y - (x + y) * (1 - share)) ** 2 / ((x + y) * (1 - share))
        for x, y in table
    )
    freedom = len(table) - 1
    assert freedom >= 3, "the samples say too little"
    spread = 2 / (9 * freedom)
    z = ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2)) / 2


def sample(
    raw: Raw,
    ids: Sequence[int],
    speculation: bool,
    first_seed: int,
    count: int,
    settings: Mapping[str, Any],
) -> Counter:
    """Tokens 2 to 4 of ``count`` replies: what verify steps draw, drafted or not."""
    parameters = {**settings, "max_new_tokens": 4, "ignore_eos": True}
    jobs = [
        Job(ids, parameters | {"sampling_seed": first_seed + i}, speculation) for i in range(count)
    ]
    return Counter(tuple(answer["output_ids"][1:4]) for answer in raw.answers(jobs, at_once=4))
