"""The race of trees, on clockwork engines whose speeds are known."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from chatapp.domain import Chunk, Sampling, Tree
from chatapp.errors import EngineError
from chatapp.measure.bench.tuning import Landscape, Race, Stream
from chatapp.measure.compare.arms import Setting
from chatapp.pairs.drafters import DRAFTERS
from tests.fakes.engine import ScriptedEngine

SETTING = Setting("m", "cpu", "pocket", "5/4/16", "float32")
TREES = DRAFTERS["EAGLE3"].trees
PROMPTS = [[n] * (n + 1) for n in range(8)]
CURRENT = Tree(5, 4, 16)
ORDER = (CURRENT, *TREES)


@dataclass
class Garage:
    """An engine for each tree: ``speeds`` over off, ``drift`` of the machine for each,
    ``noise`` on every answer."""

    speeds: dict[Tree, float]
    noise: float = 0.0
    drift: dict[Tree, float] = field(default_factory=dict)
    broken: tuple[Tree, ...] = ()
    opened: list[Tree] = field(default_factory=list)
    open_now: int = 0
    answers: int = 0

    @asynccontextmanager
    async def open(self, tree: Tree) -> AsyncIterator[Stream]:
        self.opened.append(tree)
        if tree in self.broken:
            raise EngineError("engine_draft_misfit")
        self.open_now += 1
        assert self.open_now == 1
        chance = random.Random(str(tree))

        def stream(ids: Sequence[int], sampling: Sampling, on: bool) -> AsyncIterator[Chunk]:
            self.answers += 1
            speed = 20 * self.drift.get(tree, 1.0) * (self.speeds[tree] if on else 1)
            speed *= chance.uniform(1 - self.noise, 1 + self.noise)
            engine = ScriptedEngine(gain=4, step_s=1 / speed, overhead=4)
            return engine.stream(ids, sampling, on)

        try:
            yield stream
        finally:
            self.open_now -= 1


async def race(garage: Garage, trees: Sequence[Tree] = ORDER) -> Landscape:
    racing = Race(trees, PROMPTS, garage.open, Sampling(max_tokens=41), SETTING)
    async for _ in racing.run():
        pass
    return racing.landscape


SPEEDS = {TREES[0]: 2.0, TREES[1]: 1.9, TREES[2]: 1.5, TREES[3]: 1.4, TREES[4]: 1.2}


async def test_the_fastest_tree_wins_and_says_what_it_would_gain() -> None:
    garage = Garage(SPEEDS, noise=0.03)
    found = await race(garage)
    assert garage.opened == [CURRENT, *TREES[:4]]  # each once, the tree in use first
    assert found.complete and found.best.tree == Tree(3, 1, 4)
    assert found.gain.value == pytest.approx(2.0 / 1.2, rel=0.05)
    assert found.worth_changing


async def test_trees_that_cannot_win_any_more_stop_early() -> None:
    garage = Garage(SPEEDS, noise=0.03)
    found = await race(garage)
    gave_up = {attempt.tree: len(attempt.answers) for attempt in found.attempts if attempt.gave_up}
    assert set(gave_up) >= {TREES[2], TREES[3]}
    assert all(3 <= answers < len(PROMPTS) for answers in gave_up.values())
    assert garage.answers < 5 * (2 * len(PROMPTS) + 2)


async def test_drift_between_engines_does_not_decide() -> None:
    found = await race(Garage(SPEEDS, noise=0.02, drift={TREES[0]: 0.5, TREES[3]: 1.8}))
    assert found.best.tree == Tree(3, 1, 4)


async def test_a_tree_that_is_best_already_stays() -> None:
    found = await race(Garage({**SPEEDS, CURRENT: 3.0}, noise=0.02))
    assert found.best.tree == CURRENT and not found.worth_changing
    assert found.gain.value == pytest.approx(1)


async def test_what_noise_alone_would_gain_is_not_offered() -> None:
    found = await race(Garage(dict.fromkeys(TREES, 1.5), noise=0.2))
    gain = found.gain
    assert not found.worth_changing or gain.low > 1
    assert gain.value < 1.3


async def test_a_tree_that_no_engine_runs_with_is_told_and_the_race_goes_on() -> None:
    found = await race(Garage(SPEEDS, broken=(TREES[0],)))
    failed = next(attempt for attempt in found.attempts if attempt.tree == TREES[0])
    assert failed.failure == "engine_draft_misfit"
    assert found.complete and found.best.tree == Tree(5, 1, 6)


@pytest.mark.parametrize("after", [1, 2, 5, 12, 20])
async def test_stopping_at_any_point_closes_the_engine_and_keeps_what_is_known(after: int) -> None:
    garage = Garage(SPEEDS)
    racing = Race(ORDER, PROMPTS, garage.open, Sampling(max_tokens=41), SETTING)
    async with aclosing(racing.run()) as steps:
        seen = 0
        async for _ in steps:
            seen += 1
            if seen == after:
                break
    assert garage.open_now == 0
    assert not racing.landscape.complete and not racing.landscape.worth_changing
