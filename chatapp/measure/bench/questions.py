"""Question sets in the form of FastChat's ``question.jsonl``: one question a line, with
``question_id``, ``category`` and ``turns``.

MT-bench itself is recognised by its 80 numbers, whatever its file is called.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.domain import TEXT_LANGUAGES
from chatapp.errors import UsageError

SETS = ("pocket", "questions")
_MT_BENCH_IDS = range(81, 161)


@dataclass(frozen=True, slots=True)
class Question:
    id: int
    category: str
    turns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """``language`` is that of most of its questions."""

    name: str
    language: str
    questions: tuple[Question, ...]


def read_questions(path: Path, language_of: Callable[[str], str]) -> QuestionSet:
    """``language_of`` tells the language of a text. Raises UsageError that names the line
    which is no question."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("questions_unreadable", path=path, reason=error) from error
    found = [_question(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise UsageError("questions_empty", path=path)
    if len({question.id for question in found}) < len(found):
        raise UsageError("questions_twice", path=path)
    languages = Counter(language_of(turn) for question in found for turn in question.turns)
    language = languages.most_common(1)[0][0]
    is_mt_bench = {question.id for question in found} == set(_MT_BENCH_IDS)
    name = f"MT-bench-{language}" if is_mt_bench else path.stem
    return QuestionSet(name, language, tuple(found))


def own_sets(pair_name: str) -> tuple[Path, ...]:
    """What the project brings: for the pocket pair what it knows, else general questions."""
    return set_files(set_for(pair_name))


def set_for(pair_name: str) -> str:
    """Which of ours: the pocket pair is asked what it knows."""
    return "pocket" if pair_name == "pocket" else "questions"


def set_files(name: str) -> tuple[Path, ...]:
    """One file per language."""
    folder = locations.assets() / "bench"
    return tuple(folder / f"{name}_{language}.jsonl" for language in TEXT_LANGUAGES)


def _question(path: Path, number: int, line: str) -> Question:
    try:
        told: dict[str, Any] = json.loads(line)
        turns = tuple(str(turn) for turn in told["turns"])
        question = Question(int(told["question_id"]), str(told["category"]), turns)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError("questions_line", path=path, line=number) from error
    if not turns or not all(turn.strip() for turn in turns):
        raise UsageError("questions_line", path=path, line=number)
    return question
