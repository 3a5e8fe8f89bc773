"""An engine of ours that was left behind is listed and can be ended; nothing else ever is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.application import engine_manager
from chatapp.application.engine_manager import EngineManager
from chatapp.domain import GpuProcess, GpuSample
from chatapp.engine.process import orphans
from chatapp.engine.process.orphans import Orphan, end, find_orphans, left_behind, mark
from chatapp.engine.process.pidfile import Process
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes import left_behind as left_behind_pane
from chatapp.units import GIB
from tests.shown import Shown

GONE = Process(pid=2**22 - 1, created=1.0)
PROGRAM = "import setproctitle; setproctitle.setproctitle('sglang::toy'); print(); input()"
Start = Callable[[dict[str, str]], subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that renames itself, as those of SGLang do, with more environment."""
    started = []

    def start(more: dict[str, str]) -> subprocess.Popen[bytes]:
        command, pipe = [sys.executable, "-c", PROGRAM], subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=os.environ | more)
        assert process.stdout is not None
        process.stdout.readline()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def marked_by(app: Process) -> dict[str, str]:
    return mark() | {"EAGLECHAT_OWNER": f"{app.pid} {app.created}"}


def of(app: Process) -> list[Orphan]:
    """Other tests on this machine may leave behind what they like."""
    return [orphan for orphan in find_orphans() if orphan.app == app]


def test_one_whose_app_is_gone_is_found_with_its_memory_and_ended(start: Start) -> None:
    one, other = start(marked_by(GONE)), start(marked_by(GONE))
    (orphan,) = of(GONE)
    assert set(orphan.pids) == {one.pid, other.pid}
    assert orphan.resident_bytes > 2_000_000
    end(orphan)
    assert (one.wait(5), other.wait(5)) == (-9, -9)
    assert of(GONE) == [] and orphan.pids == () and orphan.resident_bytes == 0


def test_that_of_a_living_app_and_strangers_are_left_alone(start: Start) -> None:
    ours, stranger = start(mark()), start({})
    app = Process.of(os.getpid())
    assert of(app) == []
    end(Orphan(app, (Process.of(ours.pid), Process.of(stranger.pid))))
    assert ours.poll() is None and stranger.poll() is None


def test_a_number_that_was_given_away_again_is_not_ended(start: Start) -> None:
    stranger = start({})
    end(Orphan(GONE, (Process(stranger.pid, 1.0),)))
    assert stranger.poll() is None


def test_an_app_whose_number_was_given_away_again_is_gone(start: Start) -> None:
    reused = Process(os.getpid(), created=1.0)
    left = start(marked_by(reused))
    (orphan,) = of(reused)
    assert orphan.pids == (left.pid,)


def test_one_that_its_reaper_is_ending_is_not_left_behind(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = start(marked_by(GONE))
    looks = []

    def look() -> tuple[Orphan, ...]:
        looks.append(1)
        if len(looks) == 3:
            ending.kill()
            ending.wait()
        return tuple(of(GONE))

    monkeypatch.setattr(orphans, "find_orphans", look)
    assert left_behind() == () and len(looks) >= 3


def test_the_page_shows_its_memory_and_a_button(start: Start) -> None:
    left = start(marked_by(GONE))
    (orphan,) = of(GONE)
    gpu = GpuSample("card", 3 * GIB, 24 * GIB, None, None, None, None)
    on_card = replace(gpu, others=(GpuProcess(left.pid, 2 * GIB),))
    for texts in map(Texts, LANGUAGES):
        drawn = left_behind_pane.left_behind(texts, (orphan,), gpu)
        assert str(left.pid) in drawn
        assert Shown(drawn).one("button", texts("orphan.end"))
        assert "2.0 GB" in left_behind_pane.sentence(texts, orphan, on_card)
        assert left_behind_pane.left_behind(texts, ()) == ""


async def test_the_manager_ends_what_is_asked_for(
    start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(engine_manager, "left_behind", lambda: tuple(of(GONE)))
    left = start(marked_by(GONE))
    manager = EngineManager(Settings(data_dir=tmp_path, pair="no-such-pair"))
    await manager.start()
    (orphan,) = manager.orphans
    await manager.end_orphan(GONE.pid + 1)
    assert left.poll() is None
    await manager.end_orphan(orphan.app.pid)
    assert left.wait(5) == -9 and manager.orphans == ()
