"""The bench's order and arithmetic, on streams whose speed is known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import astuple

import pytest

from chatapp.domain import Chunk, Sampling
from chatapp.measure.bench.switch_bench import ARMS, SwitchBench, SwitchPrompt
from chatapp.measure.bench.switch_report import result_of
from chatapp.measure.stream import Stream
from tests.fakes.engine import LETTERS, ScriptedEngine

PROMPTS = [
    SwitchPrompt("你好", "zh", (1,)),
    SwitchPrompt("hi", "en", (2, 3)),
    SwitchPrompt("yes", "en", (4,)),
]


# Tokens/s of each arm, after the first: 20, 10 and, four tokens a step, 40.
STEPS = {"plain": (1, 0.05), "off": (1, 0.1), "on": (4, 0.1)}


async def bench(rounds: int, swap: str = "") -> tuple[SwitchBench, list[str], list[int]]:
    """The bench, the order in which its arms were asked, and how far it said it was."""
    heard: list[str] = []

    def arm(name: str) -> Stream:
        gain, step_s = STEPS[name]
        said = ["?" if letter == swap else letter for letter in LETTERS[:33]]
        engine = ScriptedEngine(LETTERS[:33], said, gain=gain, step_s=step_s)

        def stream(ids: Sequence[int], sampling: Sampling, on: bool) -> AsyncIterator[Chunk]:
            heard.append(name)
            assert on == (name == "on")
            return engine.stream(ids, sampling, on)

        return stream

    made = SwitchBench({name: arm(name) for name in ARMS}, PROMPTS, rounds, Sampling(max_tokens=64))
    return made, heard, [done async for done in made.run()]


async def test_speeds_and_ratios() -> None:
    made, _, _ = await bench(rounds=3)
    found = result_of(made.done)
    speeds = {arm: speed.value for arm, speed in found.speeds.items()}
    assert speeds == pytest.approx({"plain": 20, "off": 10, "on": 40})
    assert found.off_ratio.value == pytest.approx(0.5)
    assert astuple(found.speedup) == pytest.approx((2.0, 2.0, 2.0))
    assert found.accept_length == found.accept_lengths["zh"] == found.accept_lengths["en"] == 4
    assert (found.rounds, found.prompts, found.completion_tokens) == (3, 3, 3 * 33)
    assert found.identical_texts


async def test_lanes_take_turns_and_each_comes_first_equally_often() -> None:
    made, heard, counted = await bench(rounds=2)
    assert counted == [0, 1, 2]
    assert len(heard) == 27
    turns = [tuple(heard[at : at + 3]) for at in range(0, len(heard), 3)]
    assert all(sorted(turn) == sorted(ARMS) for turn in turns)
    assert [sum(turn[0] == arm for turn in turns) for arm in ARMS] == [3, 3, 3]


async def test_the_first_round_is_not_measured() -> None:
    made, _, _ = await bench(rounds=1)
    assert len(made.done) == 1


async def test_different_texts_are_told() -> None:
    made, _, _ = await bench(rounds=1, swap="f")
    assert not result_of(made.done).identical_texts
