"""Draws follow the filtered distribution, and are a function of seed and position."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from chatapp.sglang_plugin import sampling

PROBS = torch.tensor([0.4, 0.05, 0.3, 0.2, 0.05])
DRAWS = 20_000
CRITICAL = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47}  # chi-square, p = 0.001


def draws(top_k=1 << 30, top_p=1.0, min_p=0.0, position=3):
    rows = PROBS.repeat(DRAWS, 1)
    return sampling.draw(
        rows,
        torch.full((DRAWS,), top_k),
        torch.full((DRAWS,), top_p),
        torch.full((DRAWS,), min_p),
        torch.arange(DRAWS),
        torch.full((DRAWS,), position),
    )


def chi_square(tokens, probs) -> float:
    expected = probs / probs.sum() * len(tokens)
    seen = torch.bincount(tokens, minlength=len(probs)).float()
    assert not seen[expected == 0].any(), "a filtered token was drawn"
    kept = expected > 0
    return float(((seen - expected)[kept] ** 2 / expected[kept]).sum())


@pytest.mark.parametrize(
    "settings, kept",
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top_k": 2}, [0, 2]),
        ({"top_p": 0.75}, [0, 2, 3]),
        ({"min_p": 0.4}, [0, 2, 3]),
        ({"top_k": 3, "top_p": 0.5}, [0, 2]),
    ],
)
def test_draws_follow_the_filtered_distribution(settings, kept):
    wanted = torch.zeros(5)
    wanted[kept] = PROBS[kept]
    assert chi_square(draws(**settings), wanted) < CRITICAL[len(kept) - 1]


def test_the_test_above_finds_a_wrong_distribution():
    wrong = PROBS.roll(1)
    assert chi_square(draws(), wrong) > CRITICAL[4]


def test_neighbouring_positions_and_seeds_are_independent():
    first, second = draws(position=3), draws(position=4)
    agree = float((first == second).float().mean())
    assert agree == pytest.approx(float((PROBS**2).sum()), abs=0.02)
    shifted = float((first[1:] == first[:-1]).float().mean())
    assert shifted == pytest.approx(float((PROBS**2).sum()), abs=0.02)


def test_the_hash_is_even():
    hashed = sampling.hash32(torch.arange(50), torch.arange(50), torch.arange(1000))
    assert 0 <= int(hashed.min()) and int(hashed.max()) < 2**32
    for bit in range(32):
        assert float((hashed >> bit & 1).float().mean()) == pytest.approx(0.5, abs=0.01)


def test_a_tree_draws_what_decoding_one_by_one_would():
    n, vocabulary = 3, 50
    logits = torch.randn(2 * n, vocabulary, generator=torch.Generator().manual_seed(2))
    info = SimpleNamespace(
        temperatures=torch.tensor([[0.7], [1.3]]),
        top_ks=torch.tensor([1 << 30, 5]),
        top_ps=torch.tensor([0.9, 1.0]),
        min_ps=torch.tensor([0.0, 0.1]),
        sampling_seed=torch.tensor([11, 12]),
    )
    positions = torch.tensor([5, 6, 6, 9, 10, 10])
    tree = sampling.draw_tree(logits, info, positions, n)
    for request in range(2):
        for node in range(n):
            row = request * n + node
            one = slice(request, request + 1)
            probs = (logits[row] / info.temperatures[request]).softmax(-1)[None]
            alone = sampling.draw(
                probs, info.top_ks[one], info.top_ps[one], info.min_ps[one],
                info.sampling_seed[one], positions[row : row + 1],
            )  # fmt: skip
            assert tree[request, node] == alone[0]


def test_a_request_without_a_seed_gets_one_and_keeps_it():
    request = SimpleNamespace(sampling_params=SimpleNamespace(sampling_seed=None))
    assert sampling.seed_of(request) == sampling.seed_of(request)
    other = SimpleNamespace(sampling_params=SimpleNamespace(sampling_seed=None))
    assert sampling.seed_of(other) != sampling.seed_of(request)
