"""Sampling with speculation is lossless in distribution; a broken sampler is found."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from chatapp.domain import Role
from tests.engine.raw import Job, Raw

SAMPLES = 2000
# The pocket pair is sure of itself: below 3 it says the same each time.
SETTINGS = {"temperature": 3.5, "top_k": 40, "top_p": 0.97, "min_p": 0.01}
BROKEN = Path(__file__).parent / "broken_sampler"


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
    raw: Raw, ids: list[int], speculation: bool, first_seed: int, count: int = SAMPLES
) -> Counter:
    """Tokens 2 to 4 of ``count`` replies: what verify steps draw, drafted or not."""
    parameters = SETTINGS | {"max_new_tokens": 4, "ignore_eos": True}
    jobs = [
        Job(ids, parameters | {"sampling_seed": first_seed + i}, speculation) for i in range(count)
    ]
    return Counter(tuple(answer["output_ids"][1:4]) for answer in raw.answers(jobs, at_once=4))


@pytest.fixture(scope="module")
def ids(prompt) -> list[int]:
    return prompt.encode([(Role.USER, "Tell me a little story")])


@pytest.fixture(scope="module")
def off(raw, ids) -> Counter:
    return sample(raw, ids, speculation=False, first_seed=1_000_000)


def test_on_and_off_draw_from_one_distribution(raw, ids, off):
    assert two_sample_p(sample(raw, ids, True, 2_000_000), off) > 0.001


def test_a_broken_sampler_is_found(pocket_pair, ids, off, start_engine, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(BROKEN))
    monkeypatch.setenv("SGLANG_PLUGINS", "eaglechat,broken_sampler")
    with start_engine(pocket_pair) as engine:
        assert two_sample_p(sample(Raw(engine), ids, True, 3_000_000, count=600), off) < 1e-6


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 3.0},
        {"temperature": 4.0, "top_k": 8},
        {"temperature": 4.0, "top_p": 0.8},
        {"temperature": 4.0, "min_p": 0.01},
    ],
)
def test_a_seed_gives_the_same_text_on_and_off(raw, ids, settings):
    parameters = settings | {"sampling_seed": 7, "max_new_tokens": 60, "ignore_eos": True}
    texts = [raw.answer(Job(ids, parameters, on))["text"] for on in (True, False, True)]
    assert len(set(texts)) == 1


def test_without_a_seed_replies_differ(raw, ids):
    parameters = {"temperature": 4.0, "max_new_tokens": 40, "ignore_eos": True}
    texts = {raw.answer(Job(ids, parameters))["text"] for _ in range(4)}
    assert len(texts) == 4
