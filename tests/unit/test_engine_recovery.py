"""The app's engine breaks: it comes back by itself, once, and each time it is told."""

from __future__ import annotations

import asyncio

import pytest

from chatapp.application.engine_manager import EngineManager
from chatapp.domain import EngineState, EngineStatus
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes.engine_box import card
from tests.fakes.engine import Starts
from tests.shown import Shown

BROKEN = "engine_killed"


class Watched:
    """A manager that is watched, and what it told."""

    def __init__(self, manager: EngineManager, starts: Starts) -> None:
        self.manager, self.starts, self.told = manager, starts, list[EngineStatus]()
        self.watching = asyncio.create_task(manager.watch(self.told.append))

    async def becomes(self, state: EngineState) -> None:
        """And the manager has noticed."""
        engine = self.starts.engines[-1]
        engine.state, looked = state, engine.looked
        async with asyncio.timeout(10):
            while engine.looked < looked + 3 and engine is self.starts.engines[-1]:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)


@pytest.fixture
async def watched(manager: EngineManager, starts: Starts) -> Watched:
    starts.leaves, starts.failure = EngineState.STARTING, BROKEN
    watched = Watched(manager, starts)
    await watched.manager.start()
    return watched


async def test_it_is_started_again_and_says_why(watched: Watched) -> None:
    await watched.becomes(EngineState.READY)
    await watched.becomes(EngineState.FAILED)
    assert len(watched.starts.engines) == 2
    assert [done.split()[0] for done in watched.starts.done] == ["start", "stop", "start"]
    (told,) = watched.told
    assert (told.state, told.failure) == (EngineState.STARTING, BROKEN)
    for texts in map(Texts, LANGUAGES):
        shown = Shown(card(texts, watched.manager.status()))
        assert texts(f"errors.{BROKEN}.what") in shown.says
        assert not shown.all("button", texts("page.engine.start"))
    await watched.becomes(EngineState.READY)
    assert watched.manager.status().failure is None
    assert card(Texts("en"), watched.manager.status()) == ""


async def test_twice_within_a_minute_it_is_left_to_the_person(watched: Watched) -> None:
    for state in (EngineState.READY, EngineState.FAILED) * 2:
        await watched.becomes(state)
    assert len(watched.starts.engines) == 2
    assert [told.state for told in watched.told] == [EngineState.STARTING, EngineState.FAILED]
    shown = Shown(card(Texts("en"), watched.manager.status()))
    assert shown.one("button", "Start the engine")
    await watched.manager.restart()
    await watched.becomes(EngineState.READY)
    assert len(watched.starts.engines) == 3 and watched.manager.status().state is EngineState.READY


async def test_no_start_is_offered_in_the_moment_before_it_comes_back(watched: Watched) -> None:
    await watched.becomes(EngineState.READY)
    watched.starts.engines[-1].state = EngineState.FAILED
    status = watched.manager.status()
    assert (status.state, status.failure, len(watched.starts.engines)) == (
        EngineState.STARTING,
        BROKEN,
        1,
    )


async def test_one_that_was_stopped_stays_so(watched: Watched) -> None:
    await watched.becomes(EngineState.READY)
    await watched.manager.stop()
    await asyncio.sleep(0.05)
    assert len(watched.starts.engines) == 1 and watched.told == []


async def test_one_that_never_became_ready_is_told_once(watched: Watched) -> None:
    await watched.becomes(EngineState.FAILED)
    assert len(watched.starts.engines) == 1
    assert [told.state for told in watched.told] == [EngineState.FAILED]
