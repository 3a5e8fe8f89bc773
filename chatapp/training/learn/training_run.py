"""A training run: a model, its optimizers, and the step it stands at, kept on disk.

Promises: killed at any point, the same run made again goes on from its last checkpoint
and ends with the weights that an uninterrupted one has.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic

import torch
from torch import nn

from chatapp.training.learn import checkpoint
from chatapp.training.learn.optimizer import Muon, rate
from chatapp.training.learn.recipe import Pace
from chatapp.training.model.halves import Halves, M, Maker, learnable

Report = Callable[[str], None]
REPORT_EVERY = 10


class TrainingRun(Generic[M]):
    def __init__(
        self,
        name: str,
        pace: Pace,
        maker: Maker[M],
        matrices: Callable[[M], Iterable[nn.Parameter]],
        path: Path,
        alone: bool = False,
    ) -> None:
        self.name, self.pace, self.path = name, pace, path
        self.halves = Halves(maker, alone)
        self.model = self.halves.model
        chosen = list(matrices(self.model))
        rest = [w for w in learnable(self.model) if all(w is not one for one in chosen)]
        self.muon = Muon(chosen, pace.muon_rate, pace.momentum, pace.weight_decay)
        self.adam = torch.optim.AdamW(rest, pace.adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.step, self.recent = 0, 0.0
        state = checkpoint.load(path)
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.muon.load_state_dict(state["muon"])
            self.adam.load_state_dict(state["adam"])
            self.step, self.recent = state["step"], state["recent"]

    def save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "step": self.step,
            "recent": self.recent,
        }
        checkpoint.save(self.path, state)

    def one_step(self) -> float:
        pace = self.pace
        share = rate(self.step, pace.rates)
        self.muon.param_groups[0]["lr"] = pace.muon_rate * share
        self.adam.param_groups[0]["lr"] = pace.adam_rate * share
        loss = self.halves.step(self.step)
        nn.utils.clip_grad_norm_(learnable(self.model), pace.clip)
        self.muon.step()
        self.adam.step()
        self.recent = loss if self.step == 0 else 0.95 * self.recent + 0.05 * loss
        self.step += 1
        return loss

    def go(self, report: Report, until: float | None = None) -> bool:
        """Train to the last step; False when ``until`` (monotonic) came first."""
        clock, began, first = checkpoint.Clock(), time.monotonic(), self.step
        while self.step < self.pace.steps:
            if until is not None and time.monotonic() > until:
                self.save()
                return False
            self.one_step()
            if self.step % REPORT_EVERY == 0:
                each = (time.monotonic() - began) / (self.step - first)
                left = each * (self.pace.steps - self.step) / 60
                report(
                    f"{self.name} step {self.step}/{self.pace.steps} loss {self.recent:.4f}"
                    f" · {each:.2f} s a step · {left:.0f} min left"
                )
            if clock.due():
                self.save()
        self.save()
        return True

    def close(self) -> None:
        self.halves.close()
