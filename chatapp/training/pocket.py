"""The whole way from nothing to the pocket pair, in stages that are each resumable.

    tokenizer.json → target.pt → target_final.pt → answers.json → draft.pt → the pair

A stage whose file is there is not made again.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

from chatapp.training.learn import checkpoint
from chatapp.training.learn.corpus import make_tokenizer
from chatapp.training.learn.learn_draft import DraftMaker, Exchange, draft_run, hot_ids, own_answers
from chatapp.training.learn.learn_target import target_run
from chatapp.training.learn.recipe import Recipe
from chatapp.training.learn.training_run import Report
from chatapp.training.model.target import Target
from chatapp.training.model.tokenizer import ChatFormat
from chatapp.training.pair import round_weights, save_pair


def tokenizer_stage(recipe: Recipe, work: Path, report: Report) -> Tokenizer:
    path = work / "tokenizer.json"
    if not path.exists():
        report("tokenizer: training on the dialogues")
        beside = path.with_suffix(".part")
        make_tokenizer(recipe).save(str(beside))
        beside.replace(path)
    return Tokenizer.from_file(str(path))


def target_stage(
    recipe: Recipe, work: Path, tokenizer: Tokenizer, report: Report, until: float | None
) -> Target | None:
    """The finished target with rounded weights; None when the time is up first."""
    final = work / "target_final.pt"
    if not final.exists():
        run = target_run(recipe, tokenizer.to_str(), work / "target.pt")
        done = run.go(report, until)
        run.close()
        if not done:
            return None
        round_weights(run.model)
        checkpoint.save(final, run.model.state_dict())
    target = Target(recipe.target.shape)
    target.load_state_dict(torch.load(final, weights_only=True))
    return target.eval()


def answers_stage(
    recipe: Recipe, work: Path, target: Target, form: ChatFormat, report: Report
) -> list[Exchange]:
    path = work / "answers.json"
    if not path.exists():
        answers = own_answers(recipe, target, form, report)
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(answers, ensure_ascii=False), encoding="utf-8")
        beside.replace(path)
    return [(asked, said) for asked, said in json.loads(path.read_text(encoding="utf-8"))]


def make_pair(
    recipe: Recipe, work: Path, output: Path, report: Report, minutes: float | None = None
) -> bool:
    """Train what is missing and write the pair; False when ``minutes`` ran out first."""
    until = None if minutes is None else time.monotonic() + 60 * minutes
    work.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_stage(recipe, work, report)
    form = ChatFormat(tokenizer)
    target = target_stage(recipe, work, tokenizer, report, until)
    if target is None:
        return False
    answers = answers_stage(recipe, work, target, form, report)
    hot = tuple(hot_ids(recipe, form, answers).tolist())
    maker = DraftMaker(recipe, tokenizer.to_str(), work / "target_final.pt", hot, tuple(answers))
    run = draft_run(maker, work / "draft.pt")
    done = run.go(report, until)
    run.close()
    if done:
        round_weights(run.model)
        save_pair(output, recipe, target, run.model, tokenizer)
        report(f"pair written to {output}")
    return done
