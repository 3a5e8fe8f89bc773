"""The switch with a pair whose texts mean something: on, off, mixed, sampled, switched."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from chatapp.engine.process.local_engine import LocalEngine
from tests.gpu.arithmetic import number
from tests.gpu.asking import Answer, accept_length, ask, same_texts, speed
from tests.gpu.attempt import attempt
from tests.gpu.bench import Bench
from tests.gpu.measures.conversation import conversation
from tests.gpu.measures.mixed import mixed
from tests.gpu.measures.second_state import second_state
from tests.gpu.measures.temperature import temperature
from tests.gpu.part import Part
from tests.gpu.row import Row


async def rows(bench: Bench) -> AsyncGenerator[Row]:
    plain: list[Answer] = []
    async for row in attempt("an engine without a draft", _plain(bench, plain)):
        yield row
    async for row in attempt("the switchable engine", _switchable(bench, plain)):
        yield row


async def _plain(bench: Bench, plain: list[Answer]) -> AsyncGenerator[Row]:
    """Puts its answers into ``plain``."""
    subject, size = bench.pocket(), bench.size
    arm = bench.arm("plain", subject, speculation=False)
    ids = arm.ids(bench.texts())
    async with arm.engine() as engine:
        await ask(engine, ids[:2], 8, False)
        plain += await ask(engine, ids, size.tokens, False)
    yield Row(f"{subject.label}, no draft", str(speed(plain)))


async def _switchable(bench: Bench, plain: list[Answer]) -> AsyncGenerator[Row]:
    subject, size = bench.pocket(), bench.size
    arm = bench.arm("switchable", subject)
    ids, texts = arm.ids(bench.texts()), bench.texts()
    off: list[Answer] = []
    on: list[Answer] = []
    async with arm.engine() as engine:
        await ask(engine, ids[:2], 8, True)
        for name, work in (
            ("second state of the switch", second_state(engine)),
            ("speculation off", _arm(engine, ids, size.tokens, False, off, plain)),
            ("speculation on", _arm(engine, ids, size.tokens, True, on, plain)),
            ("texts, on against off", _same(on, off)),
            ("mixed batch", mixed(engine, ids, size.tokens, on, off)),
            (
                "off → on in one conversation",
                conversation(engine, arm.prompt, texts, size.conversations, size.tokens),
            ),
            ("temperature 0.7", temperature(engine, arm.pair, size.samples)),
        ):
            async for row in attempt(name, work):
                yield row


async def _arm(
    engine: LocalEngine,
    ids: Sequence[Sequence[int]],
    tokens: int,
    on: bool,
    into: list[Answer],
    plain: Sequence[Answer],
) -> AsyncGenerator[Row]:
    """Puts its answers into ``into``."""
    into += await ask(engine, ids, tokens, on)
    name = "on" if on else "off"
    against = speed(plain) if plain else None
    yield Row(f"speculation {name}, against no draft", speed(into).against(against))
    if plain:
        yield Row(f"texts, {name} against no draft", str(same_texts(into, plain)))
    if on:
        yield Row("accept length", number(accept_length(into)))


async def _same(on: Sequence[Answer], off: Sequence[Answer]) -> AsyncGenerator[Row]:
    yield Row("texts, on against off", str(same_texts(on, off)))


PART = Part("switch", "the pocket pair: texts, mixed batch, off → on, temperature", 540, rows)
