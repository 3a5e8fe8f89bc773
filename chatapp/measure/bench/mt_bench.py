"""Runs question sets on an engine, and writes every answer down at once.

A stream asks one question after the other, all turns of a question in one conversation;
``parallel`` streams run at the same time. What the journal has is not asked again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from chatapp.domain import Prompt, ReplyMetrics, Role, Sampling
from chatapp.measure.bench.job import Answer, Arm, Block, Job, blocks
from chatapp.measure.bench.journal import Journal
from chatapp.measure.bench.questions import Question
from chatapp.measure.compare.quiet import Machine
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace
from chatapp.measure.stream import Stream, read

_LEAST_ROOM = 16


@dataclass(frozen=True, slots=True)
class BenchProgress:
    """Questions done and in all; ``seconds_left`` is None until something was measured."""

    done: int
    total: int
    block: Block
    seconds_left: float | None


class MtBench:
    """``clock`` is monotonic."""

    def __init__(
        self,
        job: Job,
        journal: Journal,
        prompt: Prompt,
        clock: Callable[[], float] = time.monotonic,
        machine: Machine | None = None,
    ) -> None:
        self._job, self._journal, self._prompt, self._clock = job, journal, prompt, clock
        self._machine = machine or Machine()
        self._blocks = tuple(blocks(job))
        self._seconds: dict[tuple[str, int], list[float]] = {}

    async def run(self, stream: Stream, arms: Sequence[Arm]) -> AsyncGenerator[BenchProgress]:
        """Whatever of these arms is not in the journal yet. Stop reading at any point."""
        for arm in arms:
            if self.left((arm,)):
                await self._warm_up(stream, arm)
        for block in self._blocks:
            if block.arm in arms and self._open(block):
                async with aclosing(self._run_block(stream, block)) as steps:
                    async for progress in steps:
                        yield progress

    def left(self, arms: Sequence[Arm]) -> bool:
        """Whether there is anything left to ask in these arms."""
        return any(block.arm in arms and self._open(block) for block in self._blocks)

    def progress(self, block: Block) -> BenchProgress:
        total = sum(len(block.questions) for block in self._blocks)
        left = [(other, len(self._open(other))) for other in self._blocks]
        done = total - sum(count for _, count in left)
        return BenchProgress(done, total, block, self._time_left(left))

    def _open(self, block: Block) -> list[Question]:
        return [q for q in block.questions if not self._journal.knows(block.key(q))]

    async def _run_block(self, stream: Stream, block: Block) -> AsyncGenerator[BenchProgress]:
        left = self._open(block)
        yield self.progress(block)
        finished: asyncio.Queue[BaseException | None] = asyncio.Queue()

        async def one_stream() -> None:
            try:
                while left:
                    await self._ask(stream, block, left.pop(0))
                    finished.put_nowait(None)
            except BaseException as error:
                finished.put_nowait(error)
                raise

        expected = len(left)
        tasks = [asyncio.create_task(one_stream()) for _ in range(min(block.parallel, expected))]
        try:
            for _ in range(expected):
                if (error := await finished.get()) is not None:
                    raise error
                yield self.progress(block)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, stream: Stream, block: Block, question: Question) -> None:
        began = self._clock()
        said: list[tuple[Role, str]] = []
        answers: list[Answer] = []
        for turn, text in enumerate(question.turns, start=1):
            said.append((Role.USER, text))
            ids = self._fitting(said)
            if ids is None:
                answers = []
                break
            reply, figures = await self._answer(stream, block.arm, ids, block.repeat)
            said.append((Role.ASSISTANT, reply))
            answers.append(
                Answer(
                    set=block.set.name,
                    parallel=block.parallel,
                    repeat=block.repeat,
                    arm=block.arm,
                    question_id=question.id,
                    category=question.category,
                    turn=turn,
                    text=reply,
                    figures=figures,
                )
            )
        self._journal.add(block.key(question), answers)
        self._seconds.setdefault((block.arm, block.parallel), []).append(self._clock() - began)

    async def _answer(
        self, stream: Stream, arm: Arm, ids: list[int], repeat: int
    ) -> tuple[str, ReplyMetrics]:
        sampling = self._job.sampling
        room = self._prompt.context_length - len(ids) - 1
        seed = None if sampling.seed is None else sampling.seed + repeat - 1
        sampling = replace(sampling, max_tokens=min(sampling.max_tokens, room), seed=seed)
        while True:
            await self._machine.quiet()
            trace, text = Trace(arm == "on"), ""
            async with aclosing(stream(ids, sampling, arm == "on")) as chunks:
                async for chunk in chunks:
                    if self._machine.busy():
                        break
                    trace.add(chunk)
                    text = chunk.text
                else:
                    return text, metrics_of(trace)

    def _fitting(self, said: list[tuple[Role, str]]) -> list[int] | None:
        """The conversation, or its last question alone; None when neither fits."""
        for messages in (said, said[-1:]):
            ids = self._prompt.encode(messages)
            if len(ids) + _LEAST_ROOM < self._prompt.context_length:
                return ids
        return None

    async def _warm_up(self, stream: Stream, arm: Arm) -> None:
        ids = self._prompt.encode([(Role.USER, "你好 hello")])
        on = arm == "on"
        await read(stream(ids, Sampling(max_tokens=_LEAST_ROOM), on), on)

    def _time_left(self, left: list[tuple[Block, int]]) -> float | None:
        """From the time that a question took in the same arm with as many streams, or in
        any that was measured so far."""
        known = {which: sum(took) / len(took) for which, took in self._seconds.items()}
        if not known:
            return None
        middle = sum(known.values()) / len(known)
        return sum(
            known.get((block.arm, block.parallel), middle) * count / block.parallel
            for block, count in left
        )
