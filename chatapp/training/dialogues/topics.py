"""Topics: what can be asked, about which rows, and what is right to answer.

They stand in ``topics/*.toml``; see ``facts.toml`` for the form. Promises: a turn drawn
for training shows no phrasing and no value that is held out, and a held-out turn shows
at least one.
"""

from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from chatapp.training.dialogues.facts import KNOWN, Row
from chatapp.training.dialogues.phrasing import (
    phrase,
    phrasing_held_out,
    value_held_out,
    value_key,
)
from chatapp.training.dialogues.values import rows

LANGUAGES = ("zh", "en")
FOLDER = Path(__file__).parent / "topics"
SWITCH_SHARE = 0.04
FACTS = ("facts", "numbers")


@dataclass(frozen=True)
class Topic:
    """One family of questions. ``must`` is what a right answer contains."""

    name: str
    room: str
    table: str
    weight: float
    cores: dict[str, tuple[str, ...]]
    answers: dict[str, tuple[str, ...]]
    must: dict[str, str]
    split: bool = False
    switch: bool = True
    unknown: bool = False
    fact: bool = False

    def answer(self, language: str, core: int, row: Row) -> str:
        variants = self.answers[language]
        return variants[core % len(variants)].format_map(row)


@dataclass(frozen=True)
class DrawnTurn:
    """A question and its answer. ``language`` is the one that the answer is in."""

    topic: str
    language: str
    question: str
    answer: str
    must: tuple[str, ...]
    unknown: bool
    held_out: bool
    other: str | None = field(default=None, compare=False)
    phrasing: str = ""


@cache
def topics() -> tuple[Topic, ...]:
    """All of them, by file and in the order of the files."""
    found = []
    for path in sorted(FOLDER.glob("*.toml")):
        for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
            found.append(read_topic(name, path.stem, entry))
    return tuple(found)


def read_topic(name: str, room: str, entry: dict[str, Any]) -> Topic:
    languages = entry.get("languages", LANGUAGES)
    return Topic(
        name=name,
        room=room,
        table=entry.get("table", ""),
        weight=float(entry.get("weight", 1)),
        cores={language: tuple(entry[language]) for language in languages},
        answers={language: tuple(entry["answers"][language]) for language in languages},
        must=entry["must"],
        split=entry.get("split", False),
        switch=entry.get("switch", True) and not entry.get("unknown", False),
        unknown=entry.get("unknown", False),
        fact=room in FACTS,
    )


def draw(rng: random.Random, topic: Topic, language: str) -> DrawnTurn:
    """One turn of a topic, held out or not."""
    row = rng.choice(rows(topic.table))
    core = rng.randrange(len(topic.cores[language]))
    text = topic.cores[language][core]
    key = f"{topic.name}/{language}/{core}"
    soft = topic.room == "small_talk" or topic.name in ("gibberish", "unknown_task")
    switch = topic.switch and len(topic.cores) == 2 and rng.random() < SWITCH_SHARE
    phrased = phrase(rng, language, text, row, key, soft, switch)
    spoken, other = language, None
    if len(topic.cores) == 2:
        other_language = LANGUAGES[language == "zh"]
        if switch:
            spoken = other_language
        elif topic.switch:
            other = topic.answer(other_language, core, row)
    must = [topic.must[spoken].format_map(row)]
    if topic.unknown:
        must.append(KNOWN[f"know_{spoken}"])
    held_out = phrasing_held_out(phrased.phrasing) or (
        topic.split and value_held_out(topic.name, value_key(row))
    )
    answer = topic.answer(spoken, core, row)
    return DrawnTurn(
        topic.name, spoken, phrased.text, answer, tuple(must), topic.unknown, held_out, other,
        phrased.phrasing,
    )  # fmt: skip


@cache
def choices(language: str, facts: float) -> tuple[tuple[Topic, ...], tuple[float, ...]]:
    found = tuple(topic for topic in topics() if language in topic.cores)
    return found, tuple(topic.weight * (facts if topic.fact else 1.0) for topic in found)


def draw_turn(rng: random.Random, language: str, held_out: bool, facts: float = 1.0) -> DrawnTurn:
    """A turn for training (``held_out`` False) or for the bars (True). Topics of facts are
    drawn ``facts`` times as often as their weight says."""
    found, weights = choices(language, facts)
    while True:
        turn = draw(rng, rng.choices(found, weights)[0], language)
        if turn.held_out == held_out:
            return turn
