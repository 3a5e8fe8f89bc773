"""Two processes, one core each, that compute the two halves of a batch's gradient.

Threads that meet at every operation stand still whenever another program takes a core;
processes that meet once a step do not. Weights and the second half's gradient lie in
shared memory. With ``alone`` one process does both halves: slower, the same sums.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)
#: (model, step, half) → summed loss and the number of tokens that it is summed over
Losses = Callable[[M, int, int], tuple[Tensor, int]]
#: Builds the same model and loss in either process.
Maker = Callable[[], tuple[M, Losses[M]]]


def rows_of(count: int, half: int) -> int:
    """How many of a batch's rows a half has: the first process also moves the weights."""
    first = max(1, round(0.4 * count))
    return count - first if half else first


def learnable(model: nn.Module) -> list[nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def share_weights(model: nn.Module, shared: Tensor) -> None:
    """Move the learnable weights into ``shared``, one after the other."""
    start = 0
    for weight in learnable(model):
        view = shared[start : start + weight.numel()].view_as(weight)
        weight.data = view
        start += weight.numel()


def gradient(model: M, losses: Losses[M], step: int, half: int) -> tuple[Tensor, float, int]:
    """One half's summed gradient, summed loss and token count."""
    for weight in learnable(model):
        weight.grad = None
    loss, count = losses(model, step, half)
    loss.backward()
    flat = [
        torch.zeros(w.numel()) if w.grad is None else w.grad.flatten() for w in learnable(model)
    ]
    return torch.cat(flat), loss.item(), count


def serve(maker: Maker[M], shared: Tensor, answer: Tensor, pipe: Connection) -> None:
    """The second process: answers steps until the first one is gone."""
    os.setsid()  # Ctrl-C is for the first process; this one ends when the pipe does
    torch.set_num_threads(1)
    model, losses = maker()
    share_weights(model, shared)
    try:
        while True:
            step = pipe.recv()
            flat, loss, count = gradient(model, losses, step, 1)
            answer.copy_(flat)
            pipe.send((loss, count))
    except (EOFError, OSError):
        return


class Halves(Generic[M]):
    def __init__(self, maker: Maker[M], alone: bool = False) -> None:
        self.model, self.losses = maker()
        self.alone = alone
        if alone:
            return
        torch.set_num_threads(1)
        size = sum(weight.numel() for weight in learnable(self.model))
        shared = torch.cat([w.detach().flatten() for w in learnable(self.model)]).share_memory_()
        self.answer = torch.zeros(size).share_memory_()
        share_weights(self.model, shared)
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(
            target=serve, args=(maker, shared, self.answer, other), daemon=True
        )
        self.process.start()
        other.close()

    def step(self, step: int) -> float:
        """Leave the mean gradient of both halves in the weights; return the mean loss."""
        if self.alone:
            first = gradient(self.model, self.losses, step, 0)
            flat, loss, count = gradient(self.model, self.losses, step, 1)
        else:
            self.pipe.send(step)
            first = gradient(self.model, self.losses, step, 0)
            loss, count = self.pipe.recv()
            flat = self.answer
        total = first[2] + count
        mean = (first[0] + flat) / total
        start = 0
        for weight in learnable(self.model):
            weight.grad = mean[start : start + weight.numel()].view_as(weight)
            start += weight.numel()
        return (first[1] + loss) / total

    def close(self) -> None:
        if not self.alone:
            self.pipe.close()
            self.process.join(10)
