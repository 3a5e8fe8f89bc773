"""Makes a comparison: the same prompt with speculation on and off, by the same engine.

The arms run one after the other, so they do not share the machine. Each arm is warmed
up first, which also fills its prefix cache; warm-ups are not counted. Stop reading the
events at any point: ``result`` has what was measured until then.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from chatapp.domain import Chunk, ReplyMetrics, Role, Sampling
from chatapp.measure.compare.arms import Comparison, Run, Setting
from chatapp.measure.compare.quiet import Machine
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.text_kind import text_kind_of
from chatapp.measure.reply.trace import Trace
from chatapp.measure.stream import Stream, read

WARM_UP_TOKENS = 16


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """What to compare. ``prompt_ids`` is what the engine gets for ``messages``."""

    messages: tuple[tuple[Role, str], ...]
    prompt_ids: tuple[int, ...]
    language: str
    sampling: Sampling
    rounds: int = 4


@dataclass(frozen=True, slots=True)
class WarmingUp:
    speculation: bool


@dataclass(frozen=True, slots=True)
class ArmText:
    """An arm as it is now."""

    speculation: bool
    round: int
    text: str
    figures: ReplyMetrics


@dataclass(frozen=True, slots=True)
class RunEnded:
    run: Run


Event = WarmingUp | ArmText | RunEnded


class Comparing:
    """``kind`` of the result is that of the first answer. ``clock`` is the wall clock."""

    def __init__(
        self,
        stream: Stream,
        plan: ComparisonPlan,
        setting: Setting,
        clock: Callable[[], float] = time.time,
        machine: Machine | None = None,
    ) -> None:
        self._stream, self._plan = stream, plan
        self._machine = machine or Machine()
        self._ended = False
        self._comparison = Comparison(
            clock(), plan.messages, plan.language, "prose", plan.sampling, plan.rounds, setting
        )

    @property
    def result(self) -> Comparison:
        runs = self._comparison.runs
        kind = text_kind_of(runs[0].text) if runs else "prose"
        return replace(self._comparison, kind=kind, cancelled=not self._ended)

    async def events(self) -> AsyncGenerator[Event]:
        for speculation in (True, False):
            yield WarmingUp(speculation)
            await self._warm_up(speculation)
        for number in range(1, self._plan.rounds + 1):
            for place, speculation in enumerate(order(number), start=1):
                whole = False
                while not whole:
                    await self._machine.quiet()
                    async with aclosing(self._run(speculation, number, place)) as events:
                        async for event in events:
                            yield event
                            whole = isinstance(event, RunEnded)
        self._ended = True

    async def _warm_up(self, speculation: bool) -> None:
        tokens = min(WARM_UP_TOKENS, self._plan.sampling.max_tokens)
        short = replace(self._plan.sampling, max_tokens=tokens)
        await read(self._stream(self._plan.prompt_ids, short, speculation), speculation)

    async def _run(self, speculation: bool, number: int, place: int) -> AsyncGenerator[Event]:
        sampling = self._sampling(number)
        trace, last = Trace(speculation), None
        try:
            async with aclosing(
                self._stream(self._plan.prompt_ids, sampling, speculation)
            ) as chunks:
                async for chunk in chunks:
                    if self._machine.busy():
                        last = None
                        return
                    trace.add(chunk)
                    last = chunk
                    yield ArmText(speculation, number, chunk.text, metrics_of(trace))
        finally:
            if last is not None:
                self._keep(speculation, number, place, last, trace)
        yield RunEnded(self._comparison.runs[-1])

    def _keep(self, speculation: bool, number: int, place: int, last: Chunk, trace: Trace) -> None:
        cut = last.finish_reason in (None, "abort")
        run = Run(speculation, number, place, last.text, trace, last.finish_reason, cut)
        self._comparison = replace(self._comparison, runs=(*self._comparison.runs, run))

    def _sampling(self, number: int) -> Sampling:
        """Each round has a seed of its own, the same in both arms."""
        sampling = self._plan.sampling
        if sampling.seed is None or sampling.temperature == 0:
            return sampling
        return replace(sampling, seed=sampling.seed + number - 1)


def order(number: int) -> tuple[bool, bool]:
    """Which arm goes first in round ``number``: on in odd rounds, off in even ones."""
    return (True, False) if number % 2 else (False, True)
