"""How weights move: Muon for the matrices of the layers, Adam for all the rest.

Muon replaces a matrix's momentum by the nearest orthogonal matrix, which takes far
fewer steps than Adam for a model this small. Matrices of one shape go together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


def orthogonal(batch: Tensor, rounds: int = 5) -> Tensor:
    """The nearest orthogonal matrix to each of [n, rows, columns], by Newton–Schulz."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = batch.shape[1] <= batch.shape[2]
    x = batch.bfloat16() if wide else batch.transpose(1, 2).contiguous().bfloat16()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-7).bfloat16()
    for _ in range(rounds):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return (x if wide else x.transpose(1, 2)).float()


class Muon(torch.optim.Optimizer):
    def __init__(
        self, matrices: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # no closure: nothing here asks twice
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.shape, []).append(weight)
            for weights in shapes.values():
                self.move(weights, group)

    def move(self, weights: list[nn.Parameter], group: dict[str, Any]) -> None:
        keep = group["momentum"]
        pushes = []
        for weight in weights:
            assert weight.grad is not None  # or ``step`` would have left it out
            state = self.state[weight]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(weight)
            state["momentum"].lerp_(weight.grad, 1 - keep)
            pushes.append(weight.grad.lerp(state["momentum"], keep))
        rows, columns = weights[0].shape
        scale = group["lr"] * math.sqrt(max(1.0, rows / columns))
        for weight, turn in zip(weights, orthogonal(torch.stack(pushes)), strict=True):
            weight.mul_(1 - group["lr"] * group["decay"]).add_(turn, alpha=-scale)


def rate(step: int, points: Sequence[tuple[int, float]]) -> float:
    """Share of the full rate at a step: straight lines between the points."""
    for (start, low), (end, high) in pairwise(points):
        if step <= end:
            return low + (high - low) * (step - start) / (end - start)
    return points[-1][1]
