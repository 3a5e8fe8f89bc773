"""The published pair: what on gains at one and four streams, and where the memory goes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from chatapp.engine.process.local_engine import LocalEngine
from chatapp.pairs.planned import planned
from tests.gpu.arithmetic import Speed, number
from tests.gpu.arm import Arm
from tests.gpu.asking import accept_length, ask, speed
from tests.gpu.attempt import attempt
from tests.gpu.bench import Bench, Subject
from tests.gpu.measures.memory import memory
from tests.gpu.part import Part
from tests.gpu.row import Row

STREAMS = (1, 4)
Speeds = dict[int, Speed]


async def rows(bench: Bench) -> AsyncGenerator[Row]:
    subject = bench.published()
    plain: Speeds = {}
    work = _speeds(bench, subject, plain)
    async for row in attempt(f"{subject.label}, no draft", work):
        yield row
    async for row in attempt(f"{subject.label}, on", _on(bench, subject, plain)):
        yield row


async def _speeds(bench: Bench, subject: Subject, plain: Speeds) -> AsyncGenerator[Row]:
    """Puts the speeds of the plain decode into ``plain``."""
    arm = bench.arm("published-plain", subject, speculation=False)
    async with arm.engine() as engine:
        async for row in _arm(engine, bench, arm, subject, plain):
            yield row


async def _on(bench: Bench, subject: Subject, plain: Speeds) -> AsyncGenerator[Row]:
    arm, made = bench.arm("published", subject), bench.plan(subject, bench.card())
    async with arm.engine() as engine:
        for name, work in (
            (f"{subject.label}, on", _arm(engine, bench, arm, subject, {}, plain)),
            ("memory", memory(engine, planned(subject.pair), made)),
        ):
            async for row in attempt(name, work):
                yield row


async def _arm(
    engine: LocalEngine,
    bench: Bench,
    arm: Arm,
    subject: Subject,
    speeds: Speeds,
    plain: Speeds | None = None,
) -> AsyncGenerator[Row]:
    """Puts its speeds into ``speeds``; with those of the plain decode it is *on*."""
    on, ids = plain is not None, arm.ids(bench.large_texts())
    await ask(engine, ids[:1], 8, on)
    for streams in STREAMS:
        answers = await ask(engine, ids, bench.size.large_tokens, on, streams)
        speeds[streams] = speed(answers)
        value = speeds[streams].against((plain or {}).get(streams))
        if on:
            value += f", accept length {number(accept_length(answers))}"
        kind = f"on, {subject.pair.tree}" if on else "no draft"
        many = f"{streams} {'stream' if streams == 1 else 'streams'}"
        yield Row(f"{subject.label}, {kind}, {many}", value, simulated=subject.made_up and on)


PART = Part("published", "the published pair or its shape: gain, memory row by row", 540, rows)
