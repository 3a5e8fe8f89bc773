"""The generated dialogues: the same everywhere, balanced, and honest about what is held out."""

from __future__ import annotations

import itertools
import random
import re
import tomllib
from collections import Counter

import pytest

from chatapp.training.dialogues import LANGUAGES, DrawnTurn, dialogues, held_out_questions, topics
from chatapp.training.dialogues.numerals import number_en, number_zh
from chatapp.training.dialogues.phrasing import phrasing_held_out
from chatapp.training.dialogues.topics import FOLDER, draw
from chatapp.training.dialogues.values import rows


def some_turns(seed: int, count: int) -> list[DrawnTurn]:
    turns = itertools.chain.from_iterable(dialogues(seed, 6))
    return list(itertools.islice(turns, count))


def test_same_seed_same_dialogues() -> None:
    assert some_turns(3, 400) == some_turns(3, 400)
    assert some_turns(3, 400) != some_turns(4, 400)


def test_every_right_answer_satisfies_its_own_bar() -> None:
    chance = random.Random(0)
    for topic in topics():
        for language in topic.cores:
            for _ in range(12):
                turn = draw(chance, topic, language)
                missing = [part for part in turn.must if part not in turn.answer]
                assert not missing, (topic.name, turn)
                assert turn.question.strip() and turn.answer.strip()
                assert not re.search(r"(?<!\$){\w+}", turn.question + turn.answer), turn


def test_training_never_shows_what_is_held_out() -> None:
    asked = {turn.question for turn in some_turns(20, 12_000)}
    for language in LANGUAGES:
        for turn in held_out_questions(7, language, 300):
            assert turn.held_out and turn.question not in asked, turn
    for turn in some_turns(21, 4_000):
        assert not turn.held_out and not phrasing_held_out(turn.phrasing), turn


def test_held_out_values_are_held_out_in_every_phrasing() -> None:
    chance = random.Random(1)
    sums = next(topic for topic in topics() if topic.name == "sum")
    turns = [draw(chance, sums, "en") for _ in range(4_000)]
    trained = {turn.must[0] for turn in turns if not turn.held_out}
    by_value = {
        turn.must[0] for turn in turns if turn.held_out and not phrasing_held_out(turn.phrasing)
    }
    assert len(by_value) > 20 and not trained & by_value


def test_languages_are_balanced() -> None:
    count = Counter(turn.language for turn in some_turns(5, 6_000))
    assert abs(count["zh"] - count["en"]) < 0.12 * 6_000


def test_every_topic_is_asked_and_held_out_somewhere() -> None:
    names = {topic.name for topic in topics()}
    assert names <= {turn.topic for turn in some_turns(6, 12_000)}
    held = {turn.topic for language in LANGUAGES for turn in held_out_questions(1, language, 1500)}
    assert len(held) > 0.9 * len(names)


def test_both_languages_have_as_much_to_say() -> None:
    for path in FOLDER.glob("*.toml"):
        for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if "languages" not in entry:
                sizes = [len(entry[language]) for language in LANGUAGES]
                assert min(sizes) >= 3 and max(sizes) <= 2 * min(sizes), name


def test_tables_have_no_holes() -> None:
    for topic in topics():
        found = rows(topic.table)
        assert found and all(row.keys() == found[0].keys() for row in found), topic.name
        assert all(word for row in found for word in row.values()), topic.name


@pytest.mark.parametrize(
    ("number", "zh", "en"), [(0, "零", "zero"), (10, "十", "ten"), (21, "二十一", "twenty-one")]
)
def test_numbers_in_words(number: int, zh: str, en: str) -> None:
    assert (number_zh(number), number_en(number)) == (zh, en)
