"""What a benchmark asks, of whom, and in which order. Pure.

Lanes take turns block by block, so that drift of the machine meets both. The other
baseline, an engine without a draft, runs in one go after the engine with one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Literal

from chatapp.domain import ReplyMetrics, Sampling
from chatapp.measure.bench.questions import Question, QuestionSet
from chatapp.measure.compare.arms import Setting

Arm = Literal["on", "off", "plain"]
Key = tuple[str, int, int, str, int]

BLOCK_PER_STREAM = 8


@dataclass(frozen=True, slots=True)
class Job:
    """``baseline`` is the same engine switched off, or an engine without a draft."""

    sets: tuple[QuestionSet, ...]
    parallel: tuple[int, ...] = (1,)
    baseline: Literal["off", "plain"] = "off"
    limit: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    repeats: int = 1

    def questions(self, of: QuestionSet) -> tuple[Question, ...]:
        """With a limit: spread evenly over the set, so that all categories are there."""
        every = of.questions
        if self.limit is None or self.limit >= len(every):
            return every
        return tuple(every[at * len(every) // self.limit] for at in range(self.limit))

    def fingerprint(self, setting: Setting) -> str:
        """The same for the same work on the same machine, pair and tree, and for answers
        that are written down the same way."""
        where = (setting.machine, setting.pair, setting.tree, setting.simulated_accept_length)
        written = [one.name for one in fields(Answer)]
        text = json.dumps([asdict(self), where, written], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """One request of a run. ``turn`` counts from 1."""

    set: str
    parallel: int
    repeat: int
    arm: Arm
    question_id: int
    category: str
    turn: int
    text: str
    figures: ReplyMetrics

    @property
    def key(self) -> Key:
        return (self.set, self.parallel, self.repeat, self.arm, self.question_id)


@dataclass(frozen=True, slots=True)
class Block:
    """Questions that one arm answers before the other has its turn."""

    set: QuestionSet
    parallel: int
    repeat: int
    arm: Arm
    questions: tuple[Question, ...]

    def key(self, question: Question) -> Key:
        return (self.set.name, self.parallel, self.repeat, self.arm, question.id)


def blocks(job: Job) -> Iterator[Block]:
    """In the order in which they run."""
    if job.baseline == "plain":
        for arm in ("on", "plain"):
            yield from _whole(job, arm)
        return
    for number, block in enumerate(_whole(job, "on")):
        size = BLOCK_PER_STREAM * block.parallel
        for at in range(0, len(block.questions), size):
            part = replace(block, questions=block.questions[at : at + size])
            arms: tuple[Arm, Arm] = ("on", "off")
            for arm in arms if (number + at // size) % 2 == 0 else reversed(arms):
                yield replace(part, arm=arm)


def _whole(job: Job, arm: Arm) -> Iterator[Block]:
    for one in job.sets:
        for parallel in job.parallel:
            for repeat in range(1, job.repeats + 1):
                yield Block(one, parallel, repeat, arm, job.questions(one))
