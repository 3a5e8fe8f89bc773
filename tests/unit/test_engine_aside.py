"""The app's engine makes room for a race of trees and comes back, whatever happens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chatapp.application import engine_manager as keeper_module
from chatapp.application.engine_manager import EngineManager
from chatapp.domain import EngineState, EngineStatus, Pair, Tree
from chatapp.engine.planning.careful import Setup
from chatapp.errors import EngineError
from chatapp.settings import Settings

PAIR = Pair("pocket", Path("target"), Path("draft"), Tree(5, 4, 16), "float32", 2048)


class Recorded:
    """In place of an engine: notes what was done, in order."""

    done: list[str] = []
    fails = False

    def __init__(self, pair: Pair, *_: Any, **__: Any) -> None:
        self.pair = pair

    async def start(self) -> None:
        if Recorded.fails:
            raise EngineError("engine_cannot_start", reason="test")
        Recorded.done.append(f"start {self.pair.tree}")

    async def stop(self) -> None:
        Recorded.done.append("stop")

    def prompt(self) -> None:
        pass

    def status(self) -> EngineStatus:
        return EngineStatus(EngineState.READY, "pocket")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EngineManager:
    Recorded.done, Recorded.fails = [], False
    monkeypatch.setattr(keeper_module, "LocalEngine", Recorded)
    monkeypatch.setattr(keeper_module, "find_pair", lambda settings, card=None: PAIR)
    monkeypatch.setattr(keeper_module, "find_setup", lambda *_: Setup(PAIR))
    monkeypatch.setattr(keeper_module, "engine_device", lambda settings: "cpu")
    return EngineManager(Settings(data_dir=tmp_path))


async def race(manager: EngineManager, ends: BaseException | None = None) -> None:
    async with manager.aside() as (pair, device):
        assert (pair, device) == (PAIR, "cpu")
        Recorded.done.append("race")
        if ends is not None:
            raise ends
        await asyncio.sleep(0.05)


AROUND = ["start 5/4/16", "stop", "race", "start 5/4/16"]


async def test_it_is_stopped_before_and_started_after(manager: EngineManager) -> None:
    await manager.start()
    await race(manager)
    assert Recorded.done == AROUND


@pytest.mark.parametrize("ends", [EngineError("engine_failed"), ValueError("a mistake")])
async def test_a_race_that_fails_gives_it_back(manager: EngineManager, ends: Exception) -> None:
    await manager.start()
    with pytest.raises(type(ends)):
        await race(manager, ends)
    assert Recorded.done == AROUND


async def test_a_race_that_is_cancelled_gives_it_back(manager: EngineManager) -> None:
    await manager.start()
    task = asyncio.create_task(race(manager))
    while "race" not in Recorded.done:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() and Recorded.done == AROUND


async def test_an_app_that_ends_does_not_start_it_again(manager: EngineManager) -> None:
    await manager.start()
    task = asyncio.create_task(race(manager))
    while "race" not in Recorded.done:
        await asyncio.sleep(0.01)
    ending = asyncio.create_task(manager.end())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task, ending])
    assert Recorded.done.count("start 5/4/16") == 1


async def test_a_restart_asked_for_meanwhile_waits_for_the_race(manager: EngineManager) -> None:
    await manager.start()
    task = asyncio.create_task(race(manager))
    while "race" not in Recorded.done:
        await asyncio.sleep(0.01)
    await manager.restart()
    await task
    assert Recorded.done == [*AROUND, "stop", "start 5/4/16"]


async def test_an_engine_that_does_not_come_back_says_so(manager: EngineManager) -> None:
    await manager.start()
    async with manager.aside():
        Recorded.fails = True
    assert manager.status().state is EngineState.FAILED
    assert manager.status().failure == "engine_cannot_start"
