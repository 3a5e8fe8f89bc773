"""Sampling with speculation is lossless in distribution; a broken sampler is found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from chatapp.domain import Role
from tests.engine.distribution import sample, two_sample_p
from tests.engine.raw import Job, Raw

SAMPLES = 2000
# The pocket pair is sure of itself: below 3 it says the same each time.
SETTINGS = {"temperature": 3.5, "top_k": 40, "top_p": 0.97, "min_p": 0.01}
BROKEN = Path(__file__).parent / "broken_sampler"


def drawn(raw: Raw, ids: list[int], speculation: bool, first_seed: int, count: int = SAMPLES):
    return sample(raw, ids, speculation, first_seed, count, SETTINGS)


@pytest.fixture(scope="module")
def ids(prompt) -> list[int]:
    return prompt.encode([(Role.USER, "Tell me a little story")])


@pytest.fixture(scope="module")
def off(raw, ids) -> Counter:
    return drawn(raw, ids, speculation=False, first_seed=1_000_000)


def test_on_and_off_draw_from_one_distribution(raw, ids, off):
    assert two_sample_p(drawn(raw, ids, True, 2_000_000), off) > 0.001


def test_a_broken_sampler_is_found(pocket_pair, ids, off, start_engine, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(BROKEN))
    monkeypatch.setenv("SGLANG_PLUGINS", "eaglechat,broken_sampler")
    with start_engine(pocket_pair) as engine, Raw(engine) as raw:
        assert two_sample_p(drawn(raw, ids, True, 3_000_000, count=600), off) < 1e-6


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
