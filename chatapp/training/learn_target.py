"""Trains the target on dialogues; can be stopped and taken up again at any step.

Promises: the batch of a step depends on the recipe's seed and the step's number alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from chatapp.training import checkpoint
from chatapp.training.dialogues import dialogue
from chatapp.training.halves import Halves, Losses
from chatapp.training.optimizer import Muon, rate
from chatapp.training.recipe import Recipe, TargetRecipe
from chatapp.training.target import Shape, Target
from chatapp.training.tokenizer import ChatFormat

Report = Callable[[str], None]


def target_shape(recipe: Recipe) -> Shape:
    numbers = recipe.target
    return Shape(
        vocabulary=recipe.vocabulary, layers=numbers.layers, hidden=numbers.hidden,
        inner=numbers.inner, heads=numbers.heads, kv_heads=numbers.kv_heads,
        head_dim=numbers.head_dim, context=numbers.context,
    )  # fmt: skip


def row(chance: random.Random, form: ChatFormat, length: int) -> tuple[list[int], list[bool]]:
    """One dialogue with as many turns as fill ``length`` tokens, cut there."""
    ids: list[int] = []
    marks: list[bool] = []
    while len(ids) <= length:
        for turn in dialogue(chance, 1 + chance.randrange(6)):
            turn_ids, turn_marks = form.turn(turn)
            ids += turn_ids
            marks += turn_marks
    return ids[: length + 1], marks[: length + 1]


def batch(recipe: Recipe, form: ChatFormat, step: int, half: int) -> tuple[Tensor, Tensor]:
    """Ids [rows, length + 1] of one half, and which of them the assistant wrote."""
    kinds = recipe.target.rows
    kind = random.Random(f"{recipe.seed} target {step}").choices(
        kinds, [kind.share for kind in kinds]
    )[0]
    chance = random.Random(f"{recipe.seed} target {step} {half}")
    rows = [row(chance, form, kind.length) for _ in range(kind.count // 2)]
    return torch.tensor([ids for ids, _ in rows]), torch.tensor([marks for _, marks in rows])


def loss_of(target: Target, ids: Tensor, marks: Tensor) -> tuple[Tensor, int]:
    """Summed cross entropy over the assistant's tokens, and how many they are."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden, _ = target.hidden(ids[:, :-1])
        wanted = marks[:, 1:]
        logits = target.logits(hidden[wanted])
    loss = F.cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="sum")
    return loss, int(wanted.sum())


@dataclass(frozen=True)
class TargetMaker:
    """Builds the same target and losses in either process."""

    recipe: Recipe
    tokenizer: str

    def __call__(self) -> tuple[Target, Losses]:
        torch.manual_seed(self.recipe.seed)
        form = ChatFormat(Tokenizer.from_str(self.tokenizer))

        def losses(model: Target, step: int, half: int) -> tuple[Tensor, int]:
            return loss_of(model, *batch(self.recipe, form, step, half))

        return Target(target_shape(self.recipe)), losses


class TargetRun:
    """A training run: the model, its optimizers, and the step it stands at."""

    def __init__(self, recipe: Recipe, tokenizer: str, path: Path, alone: bool = False) -> None:
        self.recipe, self.path = recipe, path
        numbers = recipe.target
        self.halves = Halves(TargetMaker(recipe, tokenizer), alone)
        self.target = self.halves.model
        layers = [p for p in self.target.model.layers.parameters() if p.dim() == 2]
        rest = [p for p in self.target.parameters() if all(p is not q for q in layers)]
        self.muon = Muon(layers, numbers.muon_rate, numbers.muon_momentum, numbers.weight_decay)
        self.adam = torch.optim.AdamW(
            rest, numbers.adam_rate, betas=(0.9, 0.98), weight_decay=0.0
        )
        self.step = 0
        self.recent = 0.0
        state = checkpoint.load(path)
        if state is not None:
            self.target.load_state_dict(state["target"])
            self.muon.load_state_dict(state["muon"])
            self.adam.load_state_dict(state["adam"])
            self.step, self.recent = state["step"], state["recent"]

    def save(self) -> None:
        checkpoint.save(
            self.path,
            {
                "target": self.target.state_dict(),
                "muon": self.muon.state_dict(),
                "adam": self.adam.state_dict(),
                "step": self.step,
                "recent": self.recent,
            },
        )

    def one_step(self) -> float:
        numbers: TargetRecipe = self.recipe.target
        share = rate(self.step, numbers.steps, numbers.warm_up, numbers.decay_from)
        for optimizer, full in ((self.muon, numbers.muon_rate), (self.adam, numbers.adam_rate)):
            optimizer.param_groups[0]["lr"] = full * share
        value = self.halves.step(self.step)
        torch.nn.utils.clip_grad_norm_(self.target.parameters(), numbers.clip)
        self.muon.step()
        self.adam.step()
        self.step += 1
        self.recent = value if self.step == 1 else 0.95 * self.recent + 0.05 * value
        return value

    def run(self, report: Report, until: float | None = None) -> bool:
        """Train to the recipe's last step; False when ``until`` (monotonic) came first."""
        pace, began, first = checkpoint.Pace(), time.monotonic(), self.step
        while self.step < self.recipe.target.steps:
            if until is not None and time.monotonic() > until:
                self.save()
                return False
            self.one_step()
            if self.step % 20 == 0:
                each = (time.monotonic() - began) / (self.step - first)
                left = each * (self.recipe.target.steps - self.step) / 60
                report(
                    f"target step {self.step}/{self.recipe.target.steps} "
                    f"loss {self.recent:.4f} {each:.2f} s/step {left:.0f} min left"
                )
            if pace.due():
                self.save()
        self.save()
        return True
