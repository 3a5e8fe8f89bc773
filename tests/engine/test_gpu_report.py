"""What the GPU report measures is there to be measured: its steps on the session's engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from chatapp.domain import Pair
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.pairs.planned import planned
from tests.conftest import Loop
from tests.gpu.asking import ask
from tests.gpu.bench import REHEARSAL, Bench
from tests.gpu.measures.conversation import conversation
from tests.gpu.measures.memory import memory
from tests.gpu.measures.mixed import mixed
from tests.gpu.measures.second_state import second_state
from tests.gpu.part import Part
from tests.gpu.report import measure
from tests.gpu.row import Row


async def values(rows: AsyncGenerator[Row]) -> dict[str, str]:
    return {row.what: row.value async for row in rows}


def test_the_switch_is_told(engine: LocalEngine, session_loop: Loop) -> None:
    told = session_loop.run(values(second_state(engine)))
    assert told["the switch"] == "available" and " s, " in told["second state of the switch"]


def test_a_mixed_batch_says_what_each_says_alone(
    engine: LocalEngine, session_loop: Loop, pocket_pair: Pair, tmp_path: Path
) -> None:
    bench = Bench("cpu", REHEARSAL, tmp_path)
    ids = bench.arm("x", bench.pocket()).ids(bench.texts())

    async def measured() -> dict[str, str]:
        on, off = [await ask(engine, ids, REHEARSAL.tokens, kind) for kind in (True, False)]
        return await values(mixed(engine, ids, REHEARSAL.tokens, on, off))

    told = session_loop.run(measured())
    assert told["mixed batch, texts on against alone"] == "2 of 2 equal"
    assert told["mixed batch, texts off against alone"] == "2 of 2 equal"
    assert told["mixed batch, counts of those on"] == "2 of 2 add up"
    assert told["mixed batch, counts of those off"] == "2 of 2 without a verify step"


def test_off_then_on_finds_what_never_off_finds(
    engine: LocalEngine, session_loop: Loop, prompt: ChatPrompt
) -> None:
    texts = ("什么是推测解码？", "What is a draft?", "讲一个小故事")
    told = session_loop.run(values(conversation(engine, prompt, texts, 1, 60)))
    assert told["off → on, texts against never off"] == "1 of 1 equal"
    again, never = told["off → on, its cached tokens"].split(" (never off ")
    assert int(again.split()[0]) < int(never.split()[0]), "what was said while off is read again"


def test_plan_and_ledger_stand_side_by_side(
    engine: LocalEngine, session_loop: Loop, pocket_pair: Pair
) -> None:
    told = session_loop.run(values(memory(engine, planned(pocket_pair), None)))
    engines = next(value for what, value in told.items() if "engine" in what)
    assert engines.startswith("planned ") and "real " in engines and "not told" not in engines
    assert "memory, tokens of the KV cache" in told


def test_an_engine_that_cannot_start_costs_its_line(
    session_loop: Loop, tmp_path: Path, capfd
) -> None:
    async def rows(bench: Bench) -> AsyncGenerator[Row]:
        yield Row("before", "1")
        async with bench.arm("bent", bench.pocket(), "--no-such-flag").engine():
            yield Row("after", "never")

    bench = Bench("cpu", REHEARSAL, tmp_path)
    session_loop.run(measure([Part("bent", "", 60, rows)], bench))
    said = capfd.readouterr()
    shown = said.out.splitlines()
    assert shown[0] == "| before | 1 |" and shown[1].startswith("| bent | not measured: ")
    assert "--- the end of bent.log" in said.err and "--no-such-flag" in said.err
