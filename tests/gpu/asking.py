"""Prompts to an engine, and what its answers say together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chatapp.domain import Figures, Sampling
from chatapp.engine.process import Engine
from chatapp.measure.figures import ReplyMeter
from tests.gpu import arithmetic
from tests.gpu.arithmetic import Agreement, Speed


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    token_ids: tuple[int, ...]
    figures: Figures


async def answer(engine: Engine, ids: Sequence[int], sampling: Sampling, on: bool) -> Answer:
    """Raises EngineError."""
    meter, text, tokens = ReplyMeter(on), "", ()
    async with aclosing(engine.client.stream(ids, sampling, on)) as chunks:
        async for chunk in chunks:
            meter.add(chunk)
            text, tokens = chunk.text, chunk.token_ids
    return Answer(text, tokens, meter.figures())


async def ask(
    engine: Engine, ids: Sequence[Sequence[int]], tokens: int, on: bool, parallel: int = 1
) -> list[Answer]:
    """Greedy answers in the order of ``ids``, ``parallel`` of them at a time."""
    turn = asyncio.Semaphore(parallel)

    async def one(prompt: Sequence[int]) -> Answer:
        async with turn:
            return await answer(engine, prompt, Sampling(max_tokens=tokens), on)

    return list(await asyncio.gather(*(one(prompt) for prompt in ids)))


async def argument(engine: Engine, name: str) -> object:
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


def _seen(figures: Figures) -> bool:
    """Most of its time lies between its first token and its last."""
    return figures.duration_s > 2 * (figures.ttft_s or 0)


def same_texts(some: Sequence[Answer], others: Sequence[Answer]) -> Agreement:
    return arithmetic.agreement([a.token_ids for a in some], [a.token_ids for a in others])


def accept_length(answers: Sequence[Answer]) -> float | None:
    steps = sum(answer.figures.verify_steps for answer in answers)
    accepted = sum(answer.figures.accepted_drafts for answer in answers)
    return arithmetic.accept_length(steps, accepted)
