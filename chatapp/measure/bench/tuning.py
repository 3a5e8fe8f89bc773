"""Finds the tree that is fastest here: a race of trees over the same prompts.

Each tree gets an engine of its own. Every prompt is answered with speculation on and off
by that engine, and the ratio is what trees are compared by, so that drift between one
engine and the next cancels out. A tree leaves the race as soon as it can no longer win:
when the whole 95% interval of its ratios to the best, prompt by prompt, lies below 1.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace

from chatapp.domain import ReplyMetrics, Sampling, Tree
from chatapp.errors import EngineError
from chatapp.measure import stats
from chatapp.measure.compare.arms import Setting
from chatapp.measure.reply.averages import average
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.stats import Estimate
from chatapp.measure.stream import Stream, read

LEAST_PROMPTS = 3

OpenEngine = Callable[[Tree], AbstractAsyncContextManager[Stream]]


@dataclass(frozen=True, slots=True)
class Answered:
    """One prompt, by its number, answered in both arms by the same engine."""

    prompt: int
    on: ReplyMetrics
    off: ReplyMetrics

    @property
    def speedup(self) -> float | None:
        on, off = self.on.tokens_per_second, self.off.tokens_per_second
        return on / off if on and off else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was measured of one tree. ``gave_up``: it could not win any more. ``failure``:
    why no engine runs with it, as an error key."""

    tree: Tree
    answers: tuple[Answered, ...] = ()
    gave_up: bool = False
    failure: str | None = None

    @property
    def speedup(self) -> Estimate | None:
        """Over the same engine switched off."""
        return stats.geometric_mean(list(self.speedups().values()))

    @property
    def tokens_per_second(self) -> float | None:
        return average(one.on for one in self.answers).tokens_per_second

    @property
    def off_tokens_per_second(self) -> float | None:
        return average(one.off for one in self.answers).tokens_per_second

    @property
    def accept_length(self) -> float | None:
        return average(one.on for one in self.answers).accept_length

    def speedups(self) -> dict[int, float]:
        known = ((one.prompt, one.speedup) for one in self.answers)
        return {prompt: speedup for prompt, speedup in known if speedup}


@dataclass(frozen=True, slots=True)
class Landscape:
    """All attempts so far; the first is the tree in use. ``complete``: the race is over."""

    setting: Setting
    prompts: int
    attempts: tuple[Attempt, ...] = ()
    complete: bool = False

    @property
    def current(self) -> Attempt | None:
        return self.attempts[0] if self.attempts else None

    @property
    def best(self) -> Attempt | None:
        """The fastest of those that stayed in the race."""
        return best_of(self.attempts)

    @property
    def gain(self) -> Estimate | None:
        """How many times as fast as the tree in use the best one is."""
        if self.best is None or self.current is None:
            return None
        return ratio(self.best, self.current)

    @property
    def worth_changing(self) -> bool:
        """The best tree is another one, and the whole interval says that it is faster."""
        gain = self.gain
        if self.best is self.current or gain is None or gain.low is None:
            return False
        return self.complete and gain.low > 1


@dataclass(frozen=True, slots=True)
class Racing:
    """Where the race is: ``landscape`` with the attempt at ``tree`` as far as it got."""

    landscape: Landscape
    tree: Tree
    starting: bool


def best_of(attempts: Sequence[Attempt]) -> Attempt | None:
    known = [one for one in attempts if one.speedup and not one.gave_up and not one.failure]
    return max(known, key=lambda one: one.speedup.value if one.speedup else 0, default=None)


def ratio(attempt: Attempt, other: Attempt) -> Estimate | None:
    """Speed of one tree to another, over the prompts that both have answered."""
    mine, theirs = attempt.speedups(), other.speedups()
    return stats.geometric_mean([mine[p] / theirs[p] for p in mine if p in theirs])


def cannot_win(attempt: Attempt, best: Attempt) -> bool:
    against = ratio(attempt, best)
    if against is None or against.high is None or against.n < LEAST_PROMPTS:
        return False
    return against.high < 1


class Race:
    """``trees`` begins with the tree in use. ``landscape`` is what is known at any time;
    stop reading the events whenever you like."""

    def __init__(
        self,
        trees: Sequence[Tree],
        prompts: Sequence[Sequence[int]],
        open_engine: OpenEngine,
        sampling: Sampling,
        setting: Setting,
    ) -> None:
        self._trees = tuple(dict.fromkeys(trees))
        self._prompts, self._open, self._sampling = prompts, open_engine, sampling
        self.landscape = Landscape(setting, len(prompts))

    async def run(self) -> AsyncGenerator[Racing]:
        for tree in self._trees:
            self._put(Attempt(tree))
            yield Racing(self.landscape, tree, starting=True)
            async with aclosing(self._attempt(tree)) as steps:
                async for attempt in steps:
                    self._put(attempt)
                    yield Racing(self.landscape, tree, starting=False)
        self.landscape = replace(self.landscape, complete=True)
        yield Racing(self.landscape, self._trees[-1], starting=False)

    async def _attempt(self, tree: Tree) -> AsyncGenerator[Attempt]:
        attempt = Attempt(tree)
        best = best_of(self.landscape.attempts[:-1])
        try:
            async with self._open(tree) as stream:
                await self._warm_up(stream)
                for number in range(len(self._prompts)):
                    answered = await self._both(stream, number)
                    attempt = replace(attempt, answers=(*attempt.answers, answered))
                    if best is not None and cannot_win(attempt, best):
                        yield replace(attempt, gave_up=True)
                        return
                    yield attempt
        except EngineError as error:
            yield replace(attempt, failure=error.key)

    async def _both(self, stream: Stream, number: int) -> Answered:
        """Which arm goes first alternates."""
        arms = (True, False) if number % 2 == 0 else (False, True)
        found = {arm: await self._answer(stream, number, arm) for arm in arms}
        return Answered(number, found[True], found[False])

    async def _answer(self, stream: Stream, number: int, speculation: bool) -> ReplyMetrics:
        asked = stream(self._prompts[number], self._sampling, speculation)
        return metrics_of((await read(asked, speculation))[1])

    async def _warm_up(self, stream: Stream) -> None:
        short = replace(self._sampling, max_tokens=min(16, self._sampling.max_tokens))
        for speculation in (True, False):
            await read(stream(self._prompts[0], short, speculation), speculation)

    def _put(self, attempt: Attempt) -> None:
        """In place of what was known of the same tree."""
        others = [one for one in self.landscape.attempts if one.tree != attempt.tree]
        self.landscape = replace(self.landscape, attempts=(*others, attempt))
