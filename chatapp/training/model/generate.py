"""The target's own greedy answers, many at a time, in plain torch.

Promises the same tokens as one at a time: shorter prompts are padded at the left, and
padding is masked and has no position.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chatapp.training.model.target import Cache, Target


def pad_left(prompts: Sequence[Sequence[int]], padding: int) -> tuple[Tensor, Tensor]:
    """Ids and which of them are real, both [prompts, longest]."""
    longest = max(map(len, prompts))
    rows = [[padding] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    real = [[False] * (longest - len(prompt)) + [True] * len(prompt) for prompt in prompts]
    return torch.tensor(rows), torch.tensor(real)


@torch.no_grad()
def answer_chunk(
    target: Target, prompts: Sequence[Sequence[int]], end: int, padding: int, most: int
) -> list[list[int]]:
    """Greedy answers, each up to ``end`` (left out) or ``most`` tokens."""
    ids, real = pad_left(prompts, padding)
    caches = [Cache(real) for _ in range(target.shape.layers)]
    positions = (real.long().cumsum(1) - 1).clamp(min=0)
    answers: list[list[int]] = [[] for _ in prompts]
    open_rows = torch.ones(len(prompts), dtype=torch.bool)
    for _ in range(most):
        hidden, _ = target.hidden(ids, positions, caches)
        ids = target.logits(hidden[:, -1:]).argmax(-1)
        for index in open_rows.nonzero()[:, 0].tolist():
            token = int(ids[index, 0])
            if token == end:
                open_rows[index] = False
            else:
                answers[index].append(token)
        if not open_rows.any():
            break
        positions = positions[:, -1:] + 1
    return answers


def greedy(
    target: Target, prompts: Sequence[Sequence[int]], end: int, padding: int, most: int,
    chunk: int = 64,
) -> list[list[int]]:  # fmt: skip
    """Answers to all prompts, in order; prompts of like length go together."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    found: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), chunk):
        part = order[start : start + chunk]
        answers = answer_chunk(target, [prompts[i] for i in part], end, padding, most)
        for index, answer in zip(part, answers, strict=True):
            found[index] = answer
    return found
