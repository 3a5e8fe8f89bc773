"""An engine that cannot even be started says so; it never raises at whoever starts it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatapp.domain import EngineState, Pair, Tree
from chatapp.engine.process.engine_process import new_key
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.errors import EngineError
from chatapp.texts import LANGUAGES, Texts

PAIR = Pair("toy", Path("/t"), Path("/d"), Tree(3, 1, 4), "float32", 512)


async def refused(engine: LocalEngine) -> EngineError:
    await engine.start()
    status = engine.status()
    assert (status.state, status.failure) == (EngineState.FAILED, "engine_cannot_start")
    with pytest.raises(EngineError) as told:
        await engine.ready(5)
    for language in LANGUAGES:
        assert "{" not in told.value.words(Texts(language))
    with pytest.raises(EngineError):
        _ = engine.client
    assert engine.pids() == {}
    await engine.stop()
    assert engine.status().state is EngineState.STOPPED
    return told.value


async def test_a_deleted_venv(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter that the app runs on is gone from the disk."""
    monkeypatch.setattr(sys, "executable", str(data_dir / ".venv" / "bin" / "python"))
    told = await refused(LocalEngine(PAIR, "cpu", data_dir / "engine.log"))
    assert ".venv" in told.values["reason"]


async def test_a_log_that_cannot_be_written(data_dir: Path) -> None:
    (data_dir / "file").write_text("")
    await refused(LocalEngine(PAIR, "cpu", data_dir / "file" / "engine.log"))


async def test_sglang_is_not_installed(data_dir: Path) -> None:
    """An interpreter without our packages: the process starts, and its log says the rest."""
    engine = LocalEngine(PAIR, "cpu", data_dir / "engine.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", sys._base_executable)
        await engine.start()
    with pytest.raises(EngineError) as told:
        await engine.ready(60)
    assert told.value.key == "engine_module_missing"
    assert "sglang" in told.value.values["line"]
    await engine.stop()


def test_a_key_cannot_look_like_a_flag() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100 and all(key.isalnum() for key in keys)


async def test_never_started(data_dir: Path) -> None:
    engine = LocalEngine(PAIR, "cpu", data_dir / "engine.log")
    await engine.stop()
    with pytest.raises(EngineError) as told:
        await engine.ready(1)
    assert told.value.key == "engine_not_running"
