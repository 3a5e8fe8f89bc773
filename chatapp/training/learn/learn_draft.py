"""Trains the draft against a finished target; can be stopped and taken up again.

Promises: the target's features are computed on the way and never stored; the loss mask
moves with the inputs, so the first guess after a prompt is trained; the mean is over
the masked positions alone.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from chatapp.training.dialogues import dialogue, dialogues
from chatapp.training.learn.recipe import Recipe
from chatapp.training.learn.training_run import Report, TrainingRun
from chatapp.training.model.draft import Draft
from chatapp.training.model.generate import greedy
from chatapp.training.model.halves import Losses, rows_of
from chatapp.training.model.target import Target
from chatapp.training.model.tokenizer import ChatFormat

Exchange = tuple[str, str]


def own_answers(
    recipe: Recipe, target: Target, form: ChatFormat, report: Report, chunk: int = 96
) -> list[Exchange]:
    """Training questions with the answers that the target gives to them."""
    numbers = recipe.draft
    questions = []
    for turns in dialogues(recipe.seed + 1, 1):
        questions += [turn.question for turn in turns]
        if len(questions) >= numbers.answers:
            break
    questions.sort(key=len)
    found: list[Exchange] = []
    for start in range(0, len(questions), chunk):
        part = questions[start : start + chunk]
        prompts = [form.prompt([question]) for question in part]
        answers = greedy(target, prompts, form.end, form.padding, numbers.max_tokens, chunk)
        texts = [form.tokenizer.decode(answer) for answer in answers]
        found += zip(part, texts, strict=True)
        report(f"draft: the target has answered {len(found)} of {len(questions)} questions")
    return found


def hot_ids(recipe: Recipe, form: ChatFormat, answers: list[Exchange]) -> Tensor:
    """The most frequent tokens of answers, ascending: what the draft can guess."""
    count = torch.zeros(recipe.vocabulary)
    seen = 0
    for turns in dialogues(recipe.seed + 2, 6):
        for turn in turns:
            ids, marks = form.turn(turn)
            kept = torch.tensor(ids)[torch.tensor(marks)]
            count += torch.bincount(kept, minlength=recipe.vocabulary)
            seen += 1
        if seen > 30_000:
            break
    for _, answer in answers:
        said = torch.tensor([*form.words(answer), form.end])
        count += torch.bincount(said, minlength=recipe.vocabulary)
    return count.topk(recipe.draft.vocabulary).indices.sort().values


def row(
    rng: random.Random, form: ChatFormat, answers: list[Exchange], length: int
) -> tuple[list[int], list[bool]]:
    """One dialogue of ``length`` tokens: the target's own answers, or the data's."""
    own = answers and rng.random() < 0.5
    ids: list[int] = []
    marks: list[bool] = []
    while len(ids) < length:
        if own:
            turns = [form.exchange(*rng.choice(answers))]
        else:
            turns = [form.turn(turn) for turn in dialogue(rng, 1 + rng.randrange(6))]
        for turn_ids, turn_marks in turns:
            ids += turn_ids
            marks += turn_marks
    return ids[:length], marks[:length]


def batch(
    recipe: Recipe, form: ChatFormat, answers: list[Exchange], step: int, half: int
) -> tuple[Tensor, Tensor]:
    kinds = recipe.draft.rows
    kind = random.Random(f"{recipe.seed} draft {step}").choices(
        kinds, [kind.share for kind in kinds]
    )[0]
    rng = random.Random(f"{recipe.seed} draft {step} {half}")
    rows = [row(rng, form, answers, kind.length) for _ in range(rows_of(kind.count, half))]
    return torch.tensor([ids for ids, _ in rows]), torch.tensor([marks for _, marks in rows])


def loss_of(
    recipe: Recipe, target: Target, draft: Draft, ids: Tensor, marks: Tensor
) -> tuple[Tensor, int]:
    """Summed over rounds and positions: cross entropy to the target's distribution.

    Position ``j`` reads token ``j + 1`` and feature ``j`` and guesses token ``j + 2``,
    where the target's opinion is its output at ``j + 1``.
    """
    hot = draft.hot
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        hidden, features = target.hidden(ids)
        wanted = marks[:, 2:].clone()
        judged = hidden[:, 1:-1][wanted]
        logits = target.logits(judged).float()
    known = draft.t2d[logits.argmax(-1)]
    goal = logits[:, hot][known].softmax(-1)
    rows, columns = wanted.nonzero()[known].unbind(1)
    with torch.autocast("cpu", torch.bfloat16):
        fused = draft.fc(features[:, :-2])
        rounds = draft.unroll(ids[:, 1:-1], fused, recipe.draft.unrolled)
        loss = torch.zeros(())
        for index, hidden in enumerate(rounds):
            inside = columns >= index
            guess = draft.logits(hidden[rows[inside], columns[inside]]).float()
            each = -(goal[inside] * F.log_softmax(guess, -1)).sum()
            loss = loss + recipe.draft.fade**index * each
    return loss, max(1, len(rows))


def new_draft(recipe: Recipe, target: Target, hot: Tensor) -> Draft:
    """Begins from what the target knows: its embeddings and its head."""
    torch.manual_seed(recipe.seed + 1)
    draft = Draft(replace(target.shape, heads=recipe.draft.heads), hot)
    for weight in draft.parameters():
        if weight.dim() == 2:
            nn.init.normal_(weight, std=0.03)
    with torch.no_grad():
        draft.embed_tokens.weight.copy_(target.model.embed_tokens.weight)
        draft.lm_head.weight.copy_(target.model.embed_tokens.weight[hot])
        draft.norm.weight.copy_(target.model.norm.weight)
    return draft


@dataclass(frozen=True)
class DraftMaker:
    """Builds the same draft, target and losses in either process."""

    recipe: Recipe
    tokenizer: str
    target: Path
    hot: tuple[int, ...]
    answers: tuple[Exchange, ...]

    def __call__(self) -> tuple[Draft, Losses[Draft]]:
        target = Target(self.recipe.target.shape)
        target.load_state_dict(torch.load(self.target, weights_only=True))
        target.requires_grad_(False)
        form = ChatFormat(Tokenizer.from_str(self.tokenizer))
        answers = list(self.answers)

        def losses(model: Draft, step: int, half: int) -> tuple[Tensor, int]:
            ids, marks = batch(self.recipe, form, answers, step, half)
            return loss_of(self.recipe, target, model, ids, marks)

        return new_draft(self.recipe, target, torch.tensor(self.hot)), losses


def draft_run(maker: DraftMaker, path: Path, alone: bool = False) -> TrainingRun[Draft]:
    """The draft's run: Muon moves the layer and ``fc``, Adam the head and the norms."""

    def matrices(model: Draft) -> list[nn.Parameter]:
        moved = [*model.midlayer.parameters(), *model.fc.parameters()]
        return [weight for weight in moved if weight.dim() == 2]

    return TrainingRun("draft", maker.recipe.draft.pace, maker, matrices, path, alone)
