"""The app's engine makes room for a race of trees and comes back, whatever happens."""

from __future__ import annotations

import asyncio

import pytest

from chatapp.application.engine_manager import EngineManager
from chatapp.domain import EngineState, Tree
from chatapp.errors import EngineError
from tests.fakes.engine import Starts


async def race(manager: EngineManager, starts: Starts, ends: BaseException | None = None) -> None:
    async with manager.aside() as (pair, device):
        assert (pair.tree, device) == (Tree(5, 4, 16), "cpu")
        starts.done.append("race")
        if ends is not None:
            raise ends
        await asyncio.sleep(0.05)


AROUND = ["start 5/4/16", "stop", "race", "start 5/4/16"]


async def test_it_is_stopped_before_and_started_after(
    manager: EngineManager, starts: Starts
) -> None:
    await manager.start()
    await race(manager, starts)
    assert starts.done == AROUND


@pytest.mark.parametrize("ends", [EngineError("engine_failed"), ValueError("a mistake")])
async def test_a_race_that_fails_gives_it_back(
    manager: EngineManager, starts: Starts, ends: Exception
) -> None:
    await manager.start()
    with pytest.raises(type(ends)):
        await race(manager, starts, ends)
    assert starts.done == AROUND


async def test_a_race_that_is_cancelled_gives_it_back(
    manager: EngineManager, starts: Starts
) -> None:
    await manager.start()
    task = asyncio.create_task(race(manager, starts))
    while "race" not in starts.done:
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() and starts.done == AROUND


async def test_an_app_that_ends_does_not_start_it_again(
    manager: EngineManager, starts: Starts
) -> None:
    await manager.start()
    task = asyncio.create_task(race(manager, starts))
    while "race" not in starts.done:
        await asyncio.sleep(0.01)
    ending = asyncio.create_task(manager.end())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task, ending])
    assert starts.done.count("start 5/4/16") == 1


async def test_a_restart_asked_for_meanwhile_waits_for_the_race(
    manager: EngineManager, starts: Starts
) -> None:
    await manager.start()
    task = asyncio.create_task(race(manager, starts))
    while "race" not in starts.done:
        await asyncio.sleep(0.01)
    await manager.restart()
    await task
    assert starts.done == [*AROUND, "stop", "start 5/4/16"]


async def test_an_engine_that_does_not_come_back_says_so(
    manager: EngineManager, starts: Starts
) -> None:
    await manager.start()
    async with manager.aside():
        starts.fails = EngineError("engine_cannot_start", reason="test")
    assert manager.status().state is EngineState.FAILED
    assert manager.status().failure == "engine_cannot_start"
