"""The bench's order and arithmetic, on streams whose speed is known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from chatapp.domain import Chunk, Counts, Sampling
from chatapp.measure.bench.switch_bench import ARMS, SwitchBench, SwitchPrompt, report

PROMPTS = [
    SwitchPrompt("你好", "zh", (1,)),
    SwitchPrompt("hi", "en", (2, 3)),
    SwitchPrompt("yes", "en", (4,)),
]


class Arm:
    """Writes 1 token, then ``steps`` times ``length`` tokens, one step each 0.1 s."""

    def __init__(self, name: str, length: int, heard: list[str], words: str = "x") -> None:
        self.name, self.length, self.heard, self.words = name, length, heard, words

    async def stream(
        self, prompt_ids: Sequence[int], sampling: Sampling, speculation: bool
    ) -> AsyncIterator[Chunk]:
        self.heard.append(self.name)
        assert speculation == (self.name == "on")
        for step in range(9):
            tokens = 1 + step * self.length
            yield Chunk(
                text=self.words * (step + 1),
                token_ids=tuple(range(tokens)),
                prompt_tokens=len(prompt_ids),
                cached_tokens=0,
                completion_tokens=tokens,
                counts=Counts(speculation),
                step_lengths=(self.length,) * step if speculation else (),
                at=0.3 + 0.1 * step,
                finish_reason="stop" if step == 8 else None,
            )


async def bench(rounds: int, words: str = "x") -> tuple[SwitchBench, list[str], list[int]]:
    heard: list[str] = []
    arms = (Arm("plain", 2, heard), Arm("off", 1, heard), Arm("on", 4, heard, words))
    made = SwitchBench(
        {arm.name: arm.stream for arm in arms}, PROMPTS, rounds, Sampling(max_tokens=64)
    )
    return made, heard, [done async for done in made.run()]


async def test_speeds_and_ratios() -> None:
    made, _, _ = await bench(rounds=3)
    told = report(made.done)
    assert told["plain_tokens_per_second"] == pytest.approx(20)
    assert told["off_tokens_per_second"] == pytest.approx(10)
    assert told["on_tokens_per_second"] == pytest.approx(40)
    assert told["off_ratio"] == pytest.approx(0.5)
    assert told["speedup"] == pytest.approx(2.0)
    assert told["speedup_spread"] == pytest.approx([2.0, 2.0])
    assert told["accept_length"] == told["accept_length_zh"] == told["accept_length_en"] == 4
    assert (told["rounds"], told["prompts"], told["completion_tokens"]) == (3, 3, 3 * 33)
    assert told["identical_texts"]


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
    made, _, _ = await bench(rounds=1, words="y")
    assert not report(made.done)["identical_texts"]
