"""The bars that a pocket pair must pass, and the measuring of them.

Promises: the questions follow from the seed alone and none was trained on; a right
answer contains what the topic says it must.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from chatapp.domain import Tree
from chatapp.training.bars.draft_acceptance import accept_length, step_lengths
from chatapp.training.dialogues import LANGUAGES, DrawnTurn, held_out_questions
from chatapp.training.dialogues.facts import KNOWN
from chatapp.training.model.generate import greedy
from chatapp.training.pair import load_pair

SEED, QUESTIONS, ACCEPTANCE_QUESTIONS, MOST_TOKENS = 7, 300, 60, 320
PUBLISHED_TREE = Tree(5, 4, 16)
RIGHT, SAME_LANGUAGE, UNKNOWN, ACCEPT_LENGTH, ACCEPT_GAP = 0.95, 0.99, 0.95, 3.0, 0.4
Report = Callable[[str], None]
ADMISSIONS = {
    "zh": ("我不知道", "我不会", "没听懂", "不知道怎么翻译"),
    "en": ("I do not know", "I cannot do", "I did not understand"),
}
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
HAN, WORD = re.compile(r"[\u4e00-\u9fff]"), re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class Bar:
    """One thing measured, against what it must be. ``at_least`` False: at most."""

    name: str
    language: str
    value: float
    needed: float
    at_least: bool = True

    @property
    def passed(self) -> bool:
        return self.value >= self.needed if self.at_least else self.value <= self.needed


@dataclass(frozen=True)
class Wrong:
    topic: str
    question: str
    answer: str
    expected: str


@dataclass(frozen=True)
class Outcome:
    bars: tuple[Bar, ...]
    questions: dict[str, int]
    by_topic: dict[str, str] = field(default_factory=dict)
    wrong: tuple[Wrong, ...] = ()

    @property
    def passed(self) -> bool:
        return all(bar.passed for bar in self.bars)

    def as_dict(self) -> dict[str, object]:
        bars = [asdict(bar) | {"passed": bar.passed} for bar in self.bars]
        return asdict(self) | {"bars": bars, "passed": self.passed}


def spoken(text: str) -> str:
    """``zh``, ``en`` or ``none``: what the words outside of code are."""
    plain = CODE.sub("", text)
    han, words = len(HAN.findall(plain)), len(WORD.findall(plain))
    if not han and not words:
        return "none"
    return "zh" if han > words else "en"


def is_right(turn: DrawnTurn, answer: str) -> bool:
    """Contains what it must. Of what it does not know it may say so in any of its ways."""
    if not turn.unknown:
        return all(part in answer for part in turn.must)
    admits = any(words in answer for words in ADMISSIONS[turn.language])
    return admits and KNOWN[f"know_{turn.language}"] in answer


def share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def measure(folder: Path, report: Report, questions: int = QUESTIONS) -> Outcome:
    """All bars that need no engine."""
    torch.set_num_threads(1)  # models this small gain nothing from a second, and lose on a busy one
    target, draft, form = load_pair(folder)
    bars: list[Bar] = []
    wrong: list[Wrong] = []
    asked, good = Counter[str](), Counter[str]()
    lengths: dict[str, float] = {}
    for language in LANGUAGES:
        turns = held_out_questions(SEED, language, questions)
        prompts = [form.prompt([turn.question]) for turn in turns]
        report(f"{language}: {questions} held-out questions")
        tokens = greedy(target, prompts, form.end, form.padding, MOST_TOKENS)
        answers = [form.tokenizer.decode(ids) for ids in tokens]
        pairs = list(zip(turns, answers, strict=True))
        right = [is_right(turn, answer) for turn, answer in pairs]
        same = [spoken(answer) == spoken(turn.answer) for turn, answer in pairs]
        unknown = [flag for flag, turn in zip(right, turns, strict=True) if turn.unknown]
        for (turn, answer), flag in zip(pairs, right, strict=True):
            name = f"{language} {turn.topic}"
            asked[name] += 1
            good[name] += flag
            if not flag:
                wrong.append(Wrong(name, turn.question, answer, turn.answer))
        bars.append(Bar("right answers", language, share(right), RIGHT))
        bars.append(Bar("language of the answer", language, share(same), SAME_LANGUAGE))
        bars.append(Bar("says what it does not know", language, share(unknown), UNKNOWN))
        report(f"{language}: acceptance of {ACCEPTANCE_QUESTIONS} answers, computed")
        steps = [
            step_lengths(target, draft, prompt, [*ids, form.end], PUBLISHED_TREE)
            for prompt, ids in list(zip(prompts, tokens, strict=True))[:ACCEPTANCE_QUESTIONS]
        ]
        lengths[language] = accept_length(steps)
    bars += acceptance_bars("accept length, computed", lengths)
    table = {name: f"{good[name]}/{asked[name]}" for name in sorted(asked)}
    return Outcome(tuple(bars), dict.fromkeys(LANGUAGES, questions), table, tuple(wrong))


def acceptance_bars(name: str, lengths: dict[str, float]) -> list[Bar]:
    bars = [Bar(name, language, lengths[language], ACCEPT_LENGTH) for language in LANGUAGES]
    gap = abs(lengths["zh"] - lengths["en"])
    return [*bars, Bar(f"{name}: gap", "zh/en", gap, ACCEPT_GAP, at_least=False)]
