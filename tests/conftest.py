"""Fixtures for all tests: a clean environment, and one real engine for the whole session."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

from chatapp import locations
from chatapp.application.chosen_pair import find_pair
from chatapp.domain import Pair, Tree
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.settings import Settings

T = TypeVar("T")

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile("eaglechat", deadline=None)
hypothesis.settings.load_profile("eaglechat")

# More threads are ten times slower as soon as the cores are shared, here as in the engine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

READY_WITHIN_S = 600
CHUNKED = ("--chunked-prefill-size", "256")  # so that long prompts are prefilled in parts
# Engine tests that take none of the session's engines.
ALONE = (
    *("test_doctor_command", "test_downloaded_pair", "test_engine_process", "test_gateway"),
    *("test_interpreted", "test_kernels", "test_plugin_hooks", "test_presets", "test_resolved"),
    *("test_sizing", "test_soak"),
)
PUBLISHED_TREE = Tree(5, 4, 16)


class Loop:
    """An event loop in a thread of its own, for engines that outlive a test's loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def scope(nodeid: str) -> str:
    """Tests of one scope stay in one worker, where there are several: they share the session's
    engines, or the app, or what their file sets up."""
    path = Path(nodeid.partition("::")[0])
    shared = path.parent.name in ("engine", "browser") and path.stem not in ALONE
    return path.parent.name if shared else str(path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several workers the session's engines come first, since nothing takes as long; the
    browser last, since its process has an event loop that runs from then on."""
    if hasattr(config, "workerinput"):
        order = {"engine": 0, "browser": 3}
        items.sort(
            key=lambda item: order.get(scope(item.nodeid), 2 if "/unit/" in item.nodeid else 1)
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByScope(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    return ByScope(config, log)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the person who runs the tests, and nothing written to their home."""
    for name in list(os.environ):
        if name.startswith(("CUDA_", "EAGLECHAT_", "SGLANG_SIMULATE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg-data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg-config"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def session_loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(scope="session")
def pocket_pair() -> Pair:
    """The pocket pair with the published tree, which is the harder one to get right."""
    return replace(find_pair(Settings(pair="pocket")), tree=PUBLISHED_TREE)


@pytest.fixture(scope="session")
def prompt(pocket_pair: Pair) -> ChatPrompt:
    return ChatPrompt(pocket_pair.target, pocket_pair.context_length)


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the data directory of an app that runs the session's engine."""
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="session")
def engine(pocket_pair: Pair, session_loop: Loop, engine_folder: Path) -> Iterator[LocalEngine]:
    """The switchable engine. Tests that break an engine start one of their own."""
    log_path = locations.engine_log(engine_folder)
    yield from running(LocalEngine(pocket_pair, "cpu", log_path, CHUNKED), session_loop)


@pytest.fixture(scope="session")
def plain_engine(
    pocket_pair: Pair, session_loop: Loop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalEngine]:
    """Started without any draft: what everything is compared with."""
    log_path = tmp_path_factory.mktemp("plain") / "engine.log"
    plain = LocalEngine(pocket_pair, "cpu", log_path, speculation=False)
    yield from running(plain, session_loop)


@pytest.fixture(scope="session")
def start_engine(session_loop: Loop, tmp_path_factory: pytest.TempPathFactory):
    """``with start_engine(pair) as engine:`` for a test that needs one of its own."""

    def start(pair: Pair, *extra: str) -> AbstractContextManager[LocalEngine]:
        log_path = tmp_path_factory.mktemp("own") / "engine.log"
        own = LocalEngine(pair, "cpu", log_path, (*CHUNKED, *extra))
        return contextmanager(running)(own, session_loop)

    return start


def running(engine: LocalEngine, loop: Loop) -> Iterator[LocalEngine]:
    """Starts ``engine``, yields it when it is ready, and leaves nothing behind."""
    loop.run(engine.start())
    try:
        loop.run(engine.ready(READY_WITHIN_S))
        yield engine
    finally:
        loop.run(engine.stop())
