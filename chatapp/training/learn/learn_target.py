"""Trains the target on dialogues; can be stopped and taken up again at any step.

Promises: the batch of a step depends on the recipe's seed and the step's number alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from chatapp.training.dialogues import dialogue
from chatapp.training.learn.recipe import Recipe
from chatapp.training.learn.training_run import TrainingRun
from chatapp.training.model.halves import Losses, rows_of
from chatapp.training.model.target import Target
from chatapp.training.model.tokenizer import ChatFormat


def row(
    rng: random.Random, form: ChatFormat, length: int, facts: float
) -> tuple[list[int], list[bool]]:
    """One dialogue with as many turns as fill ``length`` tokens, cut there."""
    ids: list[int] = []
    marks: list[bool] = []
    while len(ids) <= length:
        for turn in dialogue(rng, 1 + rng.randrange(6), facts):
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
    rng = random.Random(f"{recipe.seed} target {step} {half}")
    facts = [weight for start, weight in recipe.target.facts if step >= start][-1]
    rows = [row(rng, form, kind.length, facts) for _ in range(rows_of(kind.count, half))]
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

    def __call__(self) -> tuple[Target, Losses[Target]]:
        torch.manual_seed(self.recipe.seed)
        form = ChatFormat(Tokenizer.from_str(self.tokenizer))

        def losses(model: Target, step: int, half: int) -> tuple[Tensor, int]:
            return loss_of(model, *batch(self.recipe, form, step, half))

        return Target(self.recipe.target.shape), losses


def target_run(
    recipe: Recipe, tokenizer: str, path: Path, alone: bool = False
) -> TrainingRun[Target]:
    """The target's run: Muon moves the matrices of its layers, Adam all the rest."""
    numbers = recipe.target

    def matrices(model: Target) -> list[nn.Parameter]:
        return [weight for weight in model.model.layers.parameters() if weight.dim() == 2]

    return TrainingRun(
        "target", numbers.pace, TargetMaker(recipe, tokenizer), matrices, path, alone
    )
