"""An engine that cannot be started is a status in words; what was mended is taken up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chatapp.application import engine_manager as keeper_module
from chatapp.application.engine_manager import EngineManager
from chatapp.domain import EngineState, Pair
from chatapp.engine.planning.careful import Setup
from chatapp.errors import EngineError, PairError, error_words
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes.engine_box import card
from tests.fakes.engine import Starts
from tests.shown import Shown


def raising(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [
        PairError("pair_file_missing", path="/pairs/target/tokenizer.json"),
        EngineError("engine_cannot_start", reason="no space"),
        FileNotFoundError(2, "No such file or directory", "/app/.venv/bin/python"),
    ],
)
async def test_what_stands_in_the_way_is_said_on_the_page(
    manager: EngineManager, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The last one is what a deleted ``.venv`` looks like."""
    monkeypatch.setattr(keeper_module, "find_setup", raising(error))
    await manager.start()
    status = manager.status()
    assert status.state is EngineState.FAILED and status.failure
    for texts in map(Texts, LANGUAGES):
        words = error_words(texts, status.failure, status.failure_values)
        assert words and "Traceback" not in words
        assert Shown(card(texts, status)).one("button", texts("page.engine.start"))
    with pytest.raises(EngineError):
        _ = manager.client


async def test_what_was_mended_is_taken_up_by_the_next_start(
    manager: EngineManager, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "find_setup", raising(EngineError("engine_not_running")))
    await manager.start()
    monkeypatch.setattr(keeper_module, "find_setup", lambda *_: Setup(pair))
    await manager.restart()
    assert manager.status().state is EngineState.READY


async def test_while_it_starts_again_the_old_failure_is_not_shown(
    manager: EngineManager, starts: Starts
) -> None:
    starts.begins = EngineState.FAILED  # until it has started
    await manager.start()
    starts.engines[-1].state = EngineState.FAILED
    assert manager.status().failure == starts.failure
    starts.go.clear()
    starting = asyncio.create_task(manager.restart())
    await asyncio.sleep(0.05)
    assert manager.status().state is EngineState.STARTING and manager.status().failure is None
    starts.go.set()
    await starting
    assert manager.status().state is EngineState.READY
