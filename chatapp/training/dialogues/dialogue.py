"""Whole dialogues: turns of mixed topics and languages, and requests to say it again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from chatapp.training.dialogues.phrasing import AGAIN, AGAIN_OTHER, phrasing_held_out
from chatapp.training.dialogues.topics import LANGUAGES, DrawnTurn, draw_turn

STAY, AGAIN_SHARE = 0.8, 0.06


def again(rng: random.Random, before: DrawnTurn, held_out: bool) -> DrawnTurn | None:
    """To say that again, or the same in the other language; None when it does not fit."""
    other = before.other is not None and rng.random() < 0.6
    language = before.language
    forms = (AGAIN_OTHER if other else AGAIN)[language]
    number = rng.randrange(len(forms))
    phrasing = f"{'other' if other else 'again'}/{language}/{number}"
    if phrasing_held_out(phrasing) != held_out:
        return None
    answer = before.other if other and before.other is not None else before.answer
    spoken = LANGUAGES[language == "zh"] if other else language
    return replace(
        before, topic="again", language=spoken, question=forms[number], answer=answer,
        must=(answer,), other=None, phrasing=phrasing,
    )  # fmt: skip


def dialogue(rng: random.Random, turns: int, facts: float = 1.0) -> list[DrawnTurn]:
    """A dialogue for training: nothing in it is held out. ``facts``: see ``draw_turn``."""
    language = rng.choice(LANGUAGES)
    found: list[DrawnTurn] = []
    while len(found) < turns:
        if found and found[-1].topic != "again" and rng.random() < AGAIN_SHARE:
            turn = again(rng, found[-1], held_out=False)
            if turn is not None:
                found.append(turn)
                continue
        if rng.random() > STAY:
            language = rng.choice(LANGUAGES)
        found.append(draw_turn(rng, language, held_out=False, facts=facts))
    return found


def dialogues(seed: int, turns: int) -> Iterator[list[DrawnTurn]]:
    """Endless dialogues of up to ``turns`` turns, the same for the same seed."""
    rng = random.Random(seed)
    while True:
        yield dialogue(rng, rng.randint(1, turns))


def held_out_questions(seed: int, language: str, count: int) -> list[DrawnTurn]:
    """Different single questions that training never saw."""
    rng = random.Random(f"{seed} {language} held out")
    found: dict[str, DrawnTurn] = {}
    while len(found) < count:
        turn = draw_turn(rng, language, held_out=True)
        found.setdefault(turn.question, turn)
    return list(found.values())
