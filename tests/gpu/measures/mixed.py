"""A mixed batch: two streams with speculation on beside two with it off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from chatapp.engine.process.local_engine import LocalEngine
from tests.gpu.arithmetic import number
from tests.gpu.asking import Answer, accept_length, ask, same_texts, speed
from tests.gpu.row import Row

STREAMS_EACH = 2


async def mixed(
    engine: LocalEngine,
    ids: Sequence[Sequence[int]],
    tokens: int,
    on_alone: Sequence[Answer],
    off_alone: Sequence[Answer],
) -> AsyncGenerator[Row]:
    """The first half of ``ids`` on, the second off; ``alone`` are the answers to all of
    them, each asked for by itself."""
    half = len(ids) // 2
    on, off = await asyncio.gather(
        ask(engine, ids[:half], tokens, True, STREAMS_EACH),
        ask(engine, ids[half:], tokens, False, STREAMS_EACH),
    )
    yield Row("mixed batch, texts on against alone", str(same_texts(on, on_alone[:half])))
    yield Row("mixed batch, texts off against alone", str(same_texts(off, off_alone[half:])))
    lengths = number(accept_length(on)), number(accept_length(on_alone[:half]))
    yield Row("mixed batch, accept length of those on", f"{lengths[0]} (alone {lengths[1]})")
    yield Row("mixed batch, counts of those on", counts_on(on))
    yield Row("mixed batch, counts of those off", counts_off(off))
    yield Row("mixed batch, speed of those on", str(speed(on)))
    yield Row("mixed batch, speed of those off", str(speed(off)))


def counts_on(answers: Sequence[Answer]) -> str:
    """The steps' lengths add up to the tokens, but for the one of the prefill."""
    right = sum(
        sum(figures.step_lengths) == figures.completion_tokens - 1
        for figures in (answer.figures for answer in answers)
    )
    return f"{right} of {len(answers)} add up"


def counts_off(answers: Sequence[Answer]) -> str:
    right = sum(
        not figures.speculation and not figures.verify_steps and not figures.accepted_drafts
        for figures in (answer.figures for answer in answers)
    )
    return f"{right} of {len(answers)} without a verify step"
