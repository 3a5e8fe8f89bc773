"""The memory over time: who is asked, how often, and what is made of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from chatapp.application import monitor as module
from chatapp.application.monitor import Monitor
from chatapp.domain import EngineState, MemorySample
from chatapp.units import GIB
from tests.fakes.engine import ScriptedEngine

RETRACTED = "[2026-11-24 08:00:00] KV cache pool is full. Retract requests. #retracted_reqs: 1"


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
def monitor(engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> Monitor:
    """One that looks again whenever it is asked."""
    monkeypatch.setattr(module, "FRESH_S", -1.0)
    return Monitor(sample, engine)


def sample() -> MemorySample:
    return MemorySample(0.0, 24 * GIB, 10 * GIB, GIB // 4)


async def test_the_engines_account_is_asked_for_once(
    monitor: Monitor, engine: ScriptedEngine
) -> None:
    first, second = await monitor.look(), await monitor.look()
    assert engine.told == ["account", "loads", "loads"]
    assert second.engine and second.engine.target_bytes == int(0.05 * GIB)
    assert second.kv_share == 0.25 and len(second.course) == len(first.course) + 1
    engine.address = "http://127.0.0.1:31001"
    await monitor.look()
    assert engine.told[-2:] == ["account", "loads"], "another engine, another account"


async def test_an_engine_that_is_gone_holds_nothing(
    monitor: Monitor, engine: ScriptedEngine
) -> None:
    await monitor.look()
    engine.state = EngineState.STOPPED
    moment = await monitor.look()
    assert moment.engine is None and moment.kv_share is None
    assert engine.told == ["account", "loads"]


async def test_an_engine_too_busy_to_answer_keeps_its_account(
    monitor: Monitor, engine: ScriptedEngine
) -> None:
    await monitor.look()
    engine.silent = True
    moment = await monitor.look()
    assert moment.engine is not None and moment.kv_share is None


async def test_a_full_cache_is_marked_once(monitor: Monitor, engine: ScriptedEngine) -> None:
    for used, tail in ((10, ()), (399, ()), (10, (RETRACTED,)), (10, (RETRACTED,))):
        engine.used, engine.log_tail = used, tail
        moment = await monitor.look()
    assert [point.full for point in moment.course] == [False, True, True, False]


async def test_any_number_of_tabs_ask_once(engine: ScriptedEngine) -> None:
    monitor = Monitor(sample, engine)
    moments = await asyncio.gather(*(monitor.look() for _ in range(5)))
    assert len(set(map(id, moments))) == 1 and engine.told == ["account", "loads"]


async def test_a_driver_that_takes_its_time_holds_up_nothing(engine: ScriptedEngine) -> None:
    told = threading.Event()

    def slow() -> MemorySample:
        assert told.wait(10)
        return sample()

    looking = asyncio.create_task(Monitor(slow, engine).look())
    while engine.told != ["account", "loads"]:
        await asyncio.sleep(0.01)
    assert not looking.done()
    told.set()
    assert (await looking).sample == sample()
