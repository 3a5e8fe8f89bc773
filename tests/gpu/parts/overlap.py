"""The overlap schedule, which a CPU never runs, against SGLang without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tests.gpu.asking import Answer, argument, ask, same_texts, speed
from tests.gpu.attempt import attempt
from tests.gpu.bench import Bench
from tests.gpu.part import Part
from tests.gpu.row import Row

KINDS = ("on", "off", "mixed")
Answers = dict[str, list[Answer]]


async def rows(bench: Bench) -> AsyncGenerator[Row]:
    overlapped: Answers = {}
    apart: Answers = {}
    for name, arguments, into in (
        ("overlap schedule", (), overlapped),
        ("no overlap schedule", ("--disable-overlap-schedule",), apart),
    ):
        async for row in attempt(name, _asked(bench, name, arguments, into)):
            yield row
    for kind in KINDS:
        if kind in overlapped and kind in apart:
            told = same_texts(overlapped[kind], apart[kind])
            yield Row(f"texts with and without the overlap schedule, {kind}", str(told))


async def _asked(
    bench: Bench, name: str, arguments: tuple[str, ...], into: Answers
) -> AsyncGenerator[Row]:
    """Puts its answers into ``into``. Four streams at once, so that there is a batch."""
    tokens = bench.size.tokens
    arm = bench.arm(name.replace(" ", "-"), bench.pocket(), *arguments)
    ids = arm.ids(bench.texts())
    half = len(ids) // 2
    async with arm.engine() as engine:
        await ask(engine, ids[:2], 8, True)
        into["on"] = await ask(engine, ids, tokens, True, 4)
        into["off"] = await ask(engine, ids, tokens, False, 4)
        disabled = await argument(engine, "disable_overlap_schedule")
        both = await asyncio.gather(
            ask(engine, ids[:half], tokens, True, 2), ask(engine, ids[half:], tokens, False, 2)
        )
        into["mixed"] = [*both[0], *both[1]]
    yield Row(name, "the engine runs without it" if disabled else "the engine runs with it")
    for kind in KINDS:
        yield Row(f"{name}, {kind}, four streams", str(speed(into[kind])))


PART = Part("overlap", "the overlap schedule against SGLang without it", 480, rows)
