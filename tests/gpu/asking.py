"""Prompts to an engine, and what its answers say together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chatapp.domain import ReplyMetrics, Sampling
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.measure.reply.averages import average
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace
from tests.gpu import arithmetic
from tests.gpu.arithmetic import Agreement, Speed


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    token_ids: tuple[int, ...]
    figures: ReplyMetrics


async def answer(engine: LocalEngine, ids: Sequence[int], sampling: Sampling, on: bool) -> Answer:
    """Raises EngineError."""
    trace, text = Trace(on), ""
    async with aclosing(engine.client.stream(ids, sampling, on)) as chunks:
        async for chunk in chunks:
            trace.add(chunk)
            text = chunk.text
    return Answer(text, trace.token_ids, metrics_of(trace))


async def ask(
    engine: LocalEngine, ids: Sequence[Sequence[int]], tokens: int, on: bool, parallel: int = 1
) -> list[Answer]:
    """Greedy answers in the order of ``ids``, ``parallel`` of them at a time."""
    turn = asyncio.Semaphore(parallel)

    async def one(prompt: Sequence[int]) -> Answer:
        async with turn:
            return await answer(engine, prompt, Sampling(max_tokens=tokens), on)

    return list(await asyncio.gather(*(one(prompt) for prompt in ids)))


async def argument(engine: LocalEngine, name: str) -> object:
    """What the engine itself says that it runs with, under SGLang's own name."""
    return (await engine.client.server_info()).get(name)


def speed(answers: Sequence[Answer]) -> Speed:
    """Of replies that were seen as they were written: on a machine that is too busy they
    arrive at once, and say nothing. Raises ValueError when none was seen."""
    figures = [answer.figures for answer in answers]
    seen = [f.tokens_per_second for f in figures if f.tokens_per_second and _seen(f)]
    if figures and not seen:
        raise ValueError("the replies arrived at once: too short, or the machine is too busy")
    return Speed.of(seen)


def _seen(figures: ReplyMetrics) -> bool:
    """Most of its time lies between its first token and its last."""
    return figures.duration_s > 2 * (figures.ttft_s or 0)


def same_texts(some: Sequence[Answer], others: Sequence[Answer]) -> Agreement:
    return arithmetic.agreement([a.token_ids for a in some], [a.token_ids for a in others])


def accept_length(answers: Sequence[Answer]) -> float | None:
    return average(answer.figures for answer in answers).accept_length
