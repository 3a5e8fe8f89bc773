"""The app's engine breaks: it comes back by itself, once, and each time it is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chatapp.application import engine_manager
from chatapp.application.engine_manager import EngineManager
from chatapp.domain import EngineState, EngineStatus
from chatapp.engine.planning.careful import Setup
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes.engine_box import card
from tests.shown import Shown
from tests.unit.test_engine_aside import PAIR

BROKEN = "engine_killed"


class Breakable:
    """An engine that becomes ready, or breaks, when the test says so."""

    made: list[Breakable] = []

    def __init__(self, *_: Any, **__: Any) -> None:
        self.state = EngineState.STOPPED
        Breakable.made.append(self)

    async def start(self) -> None:
        self.state = EngineState.STARTING

    async def stop(self) -> None:
        self.state = EngineState.STOPPED

    def prompt(self) -> None:
        pass

    def status(self) -> EngineStatus:
        failure = BROKEN if self.state is EngineState.FAILED else None
        return EngineStatus(self.state, "pocket", failure=failure)


class Watched:
    """A manager that is watched, and what it told."""

    def __init__(self, manager: EngineManager) -> None:
        self.manager, self.told = manager, list[EngineStatus]()
        self.watching = asyncio.create_task(manager.watch(self.told.append))

    async def becomes(self, state: EngineState) -> None:
        Breakable.made[-1].state = state
        await asyncio.sleep(0.05)


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Watched:
    Breakable.made = []
    monkeypatch.setattr(engine_manager, "LocalEngine", Breakable)
    monkeypatch.setattr(engine_manager, "find_setup", lambda *_: Setup(PAIR))
    monkeypatch.setattr(engine_manager, "engine_device", lambda settings: "cpu")
    monkeypatch.setattr(engine_manager, "_POLL_S", 0.005)
    watched = Watched(EngineManager(Settings(data_dir=tmp_path)))
    await watched.manager.start()
    return watched


async def test_it_is_started_again_and_says_why(watched: Watched) -> None:
    await watched.becomes(EngineState.READY)
    await watched.becomes(EngineState.FAILED)
    assert len(Breakable.made) == 2
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
    assert len(Breakable.made) == 2
    assert [told.state for told in watched.told] == [EngineState.STARTING, EngineState.FAILED]
    shown = Shown(card(Texts("en"), watched.manager.status()))
    assert shown.one("button", "Start the engine")
    await watched.manager.restart()
    await watched.becomes(EngineState.READY)
    assert len(Breakable.made) == 3 and watched.manager.status().state is EngineState.READY


async def test_no_start_is_offered_in_the_moment_before_it_comes_back(watched: Watched) -> None:
    await watched.becomes(EngineState.READY)
    Breakable.made[-1].state = EngineState.FAILED
    status = watched.manager.status()
    assert (status.state, status.failure, len(Breakable.made)) == (EngineState.STARTING, BROKEN, 1)


async def test_one_that_was_stopped_stays_so(watched: Watched) -> None:
    await watched.becomes(EngineState.READY)
    await watched.manager.stop()
    await asyncio.sleep(0.05)
    assert len(Breakable.made) == 1 and watched.told == []


async def test_one_that_never_became_ready_is_told_once(watched: Watched) -> None:
    await watched.becomes(EngineState.FAILED)
    assert len(Breakable.made) == 1
    assert [told.state for told in watched.told] == [EngineState.FAILED]
