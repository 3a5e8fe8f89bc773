"""The manager of the app's engine, over engines that only pretend to be processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatapp.application import engine_manager
from chatapp.application.engine_manager import EngineManager
from chatapp.domain import Pair, Tree
from chatapp.engine.planning.careful import Setup
from chatapp.settings import Settings
from tests.fakes.engine import Starts


@pytest.fixture
def pair() -> Pair:
    return Pair("pocket", Path("target"), Path("draft"), Tree(5, 4, 16), "float32", 2048)


@pytest.fixture
async def starts() -> Starts:
    return Starts()


@pytest.fixture
def manager(
    starts: Starts, pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> EngineManager:
    monkeypatch.setattr(engine_manager, "LocalEngine", starts)
    monkeypatch.setattr(engine_manager, "find_pair", lambda settings, card=None: pair)
    monkeypatch.setattr(engine_manager, "find_setup", lambda *_: Setup(pair))
    monkeypatch.setattr(engine_manager, "engine_device", lambda settings: "cpu")
    monkeypatch.setattr(engine_manager, "POLL_S", 0.005)
    return EngineManager(Settings(data_dir=tmp_path))
