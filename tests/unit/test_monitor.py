"""The memory over time: who is asked, how often, and what is made of it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from chatapp.application import monitor as module
from chatapp.application.monitor import Monitor
from chatapp.domain import EngineState, EngineStatus, MemorySample
from chatapp.errors import EngineError
from chatapp.units import GIB

RETRACTED = "[2026-11-24 08:00:00] KV cache pool is full. Retract requests. #retracted_reqs: 1"


class Engine:
    """An engine that tells its memory, and counts how often it was asked."""

    def __init__(self) -> None:
        self.state, self.used, self.tail = EngineState.READY, 100, ()
        self.address, self.asked, self.silent = "http://127.0.0.1:31000", [], False

    @property
    def client(self) -> Engine:
        return self

    def status(self) -> EngineStatus:
        return EngineStatus(self.state, "pocket", address=self.address, log_tail=self.tail)

    async def server_info(self) -> dict[str, Any]:
        self.asked.append("account")
        return {"internal_states": [{"memory_usage": {"weight": 0.05}}]}

    async def loads(self) -> dict[str, Any]:
        self.asked.append("loads")
        if self.silent:
            raise EngineError("engine_silent")
        return {"loads": [{"num_used_tokens": self.used, "max_total_num_tokens": 400}]}


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def monitor(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Monitor:
    """One that looks again whenever it is asked."""
    monkeypatch.setattr(module, "FRESH_S", -1.0)
    return Monitor(sample, engine)


def sample() -> MemorySample:
    return MemorySample(0.0, 24 * GIB, 10 * GIB, GIB // 4)


async def test_the_engines_account_is_asked_for_once(monitor: Monitor, engine: Engine) -> None:
    first, second = await monitor.look(), await monitor.look()
    assert engine.asked == ["account", "loads", "loads"]
    assert second.engine and second.engine.target_bytes == int(0.05 * GIB)
    assert second.kv_share == 0.25 and len(second.course) == len(first.course) + 1
    engine.address = "http://127.0.0.1:31001"
    await monitor.look()
    assert engine.asked[-2:] == ["account", "loads"], "another engine, another account"


async def test_an_engine_that_is_gone_holds_nothing(monitor: Monitor, engine: Engine) -> None:
    await monitor.look()
    engine.state = EngineState.STOPPED
    moment = await monitor.look()
    assert moment.engine is None and moment.kv_share is None
    assert engine.asked == ["account", "loads"]


async def test_an_engine_too_busy_to_answer_keeps_its_account(
    monitor: Monitor, engine: Engine
) -> None:
    await monitor.look()
    engine.silent = True
    moment = await monitor.look()
    assert moment.engine is not None and moment.kv_share is None


async def test_a_full_cache_is_marked_once(monitor: Monitor, engine: Engine) -> None:
    for used, tail in ((10, ()), (399, ()), (10, (RETRACTED,)), (10, (RETRACTED,))):
        engine.used, engine.tail = used, tail
        moment = await monitor.look()
    assert [point.full for point in moment.course] == [False, True, True, False]


async def test_any_number_of_tabs_ask_once(engine: Engine) -> None:
    monitor = Monitor(sample, engine)
    moments = await asyncio.gather(*(monitor.look() for _ in range(5)))
    assert len(set(map(id, moments))) == 1 and engine.asked == ["account", "loads"]


async def test_a_driver_that_takes_its_time_holds_up_nothing(engine: Engine) -> None:
    told = threading.Event()

    def slow() -> MemorySample:
        assert told.wait(10)
        return sample()

    looking = asyncio.create_task(Monitor(slow, engine).look())
    while engine.asked != ["account", "loads"]:
        await asyncio.sleep(0.01)
    assert not looking.done()
    told.set()
    assert (await looking).sample == sample()
