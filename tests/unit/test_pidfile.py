"""Whose engine it is stands on disk, and is believed only of processes that live."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.engine.process.local_engine import attach
from chatapp.engine.process.logfile import LogTail, rotate
from chatapp.engine.process.pidfile import Pidfile, Process, record_path

GONE = Process(pid=2**22 - 1, created=1.0)


@pytest.fixture
def engine() -> Iterator[subprocess.Popen[bytes]]:
    """A process that leads a group of its own, as an engine does."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = subprocess.Popen(sleep, start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def log_path(data_dir: Path) -> Path:
    return data_dir / "engine.log"


def record(app: Process, engine: Process) -> Pidfile:
    return Pidfile(app, GONE, engine, "http://127.0.0.1:1", "secret", "toy", True)


def test_the_engine_of_a_living_app_is_found(
    engine: subprocess.Popen[bytes], log_path: Path
) -> None:
    record(Process.of(os.getpid()), Process.of(engine.pid)).write(log_path)
    found = attach(log_path)
    assert found is not None and found[1].base_url == "http://127.0.0.1:1"


def test_a_pid_that_was_given_away_again_is_none_of_ours(
    engine: subprocess.Popen[bytes], log_path: Path
) -> None:
    stranger = replace(Process.of(engine.pid), created=1.0)
    for app, process in ((GONE, Process.of(engine.pid)), (Process.of(os.getpid()), stranger)):
        record(app, process).write(log_path)
        assert attach(log_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"app": 3}', '{"app": {"pid": 1}}'])
def test_a_record_that_makes_no_sense_is_none(log_path: Path, content: str) -> None:
    record_path(log_path).write_text(content)
    assert Pidfile.read(log_path) is None


def test_only_the_owner_may_read_key_and_log(log_path: Path) -> None:
    record(GONE, GONE).write(log_path)
    rotate(log_path).close()
    for path in (record_path(log_path), log_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_last_three_logs_are_kept(log_path: Path) -> None:
    for start in range(5):
        with rotate(log_path) as log:
            log.write(f"start {start}\n".encode())
    kept = sorted(path.name for path in log_path.parent.glob("engine*.log"))
    assert kept == ["engine.1.log", "engine.2.log", "engine.log"]
    assert (log_path.parent / "engine.2.log").read_text() == "start 2\n"


def test_a_tail_gives_whole_lines_once(log_path: Path) -> None:
    with rotate(log_path) as log, closing(LogTail(log_path)) as tail:
        log.write(b"one\ntw")
        log.flush()
        assert tail.read() == ["one"]
        log.write("o\n\n三\n".encode() + b"\xff\n")
        log.flush()
        assert tail.read() == ["two", "三", "\ufffd"]
    assert tail.lines() == ("one", "two", "三", "\ufffd")
