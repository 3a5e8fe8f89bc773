"""Nothing of the engine outlives the app: with a small tree of real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from chatapp.engine.process import reaper

# A main process that ignores polite requests, a child, and one that left the group.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
print("children", *[child.pid for child in children], flush=True)
time.sleep(300)
"""
POLITE = "import time\ntry: time.sleep(300)\nexcept KeyboardInterrupt: raise SystemExit(7)"


@dataclass
class Guarded:
    """A reaper, what it reports, and the output of what it guards."""

    process: subprocess.Popen[bytes]
    reports: int
    output: Path

    def report(self) -> dict[str, int]:
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.reports, 1)
        return json.loads(line)

    def children(self) -> list[int]:
        until(lambda: b"\n" in self.output.read_bytes())
        return [int(word) for word in self.output.read_text().split()[1:3]]


@pytest.fixture
def guard(tmp_path: Path) -> Iterator:
    made: list[Guarded] = []

    def start(program: str) -> Guarded:
        reader, writer = os.pipe()
        output = tmp_path / f"out{len(made)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", reaper.__file__, str(writer)]
                + [sys.executable, "-c", program],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                pass_fds=(writer,),
                start_new_session=True,
            )
        os.close(writer)
        made.append(Guarded(process, reader, output))
        return made[-1]

    yield start
    for guarded in made:
        guarded.process.stdin.close()
        guarded.process.wait(10)
        os.close(guarded.reports)


def until(condition, seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.02)


def gone(*pids: int) -> bool:
    def dead(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return all(dead(pid) for pid in pids)


def test_the_end_of_the_pipe_ends_a_whole_stubborn_tree(guard) -> None:
    guarded = guard(STUBBORN)
    main, children = guarded.report()["engine"], guarded.children()
    assert not gone(main) and not any(gone(child) for child in children)
    guarded.process.stdin.close()
    assert guarded.report() == {"exit": -signal.SIGKILL}
    assert gone(main, *children)
    assert guarded.process.wait(2) == 0


def test_a_polite_engine_may_end_by_itself(guard) -> None:
    guarded = guard(POLITE)
    guarded.report()
    time.sleep(0.5)
    began = time.monotonic()
    guarded.process.stdin.close()
    assert guarded.report() == {"exit": 7}
    assert time.monotonic() - began < reaper.GRACE_S


def test_what_the_engine_leaves_in_its_temporary_directory_goes_with_it(guard) -> None:
    guarded = guard(
        "import tempfile; print(tempfile.mkstemp(), tempfile.gettempdir(), flush=True);" + POLITE
    )
    guarded.report()
    until(lambda: b"\n" in guarded.output.read_bytes())
    scratch = Path(guarded.output.read_text().split()[-1])
    assert scratch.name.startswith("eaglechat-") and list(scratch.iterdir())
    guarded.process.stdin.close()
    guarded.report()
    assert not scratch.exists()


def test_the_exit_code_is_told_and_the_rest_ended(guard) -> None:
    guarded = guard(STUBBORN.replace("time.sleep(300)\n", "os._exit(3)\n"))
    assert "engine" in guarded.report()
    children = guarded.children()
    assert guarded.report() == {"exit": 3}
    assert gone(*children)


def test_sigterm_to_the_warden_ends_the_engine(guard) -> None:
    guarded = guard(STUBBORN)
    main, children = guarded.report()["engine"], guarded.children()
    guarded.process.terminate()
    assert guarded.report() == {"exit": -signal.SIGKILL}
    assert gone(main, *children)


def test_a_killed_warden_takes_the_main_process_along(guard) -> None:
    guarded = guard(POLITE)
    main = guarded.report()["engine"]
    guarded.process.kill()
    until(lambda: gone(main))


def test_a_killed_app_leaves_nothing_behind(tmp_path: Path) -> None:
    """The app is a process of its own here, and ends by SIGKILL."""
    app = tmp_path / "app.py"
    app.write_text(f"""
import os, subprocess, sys, time
reader, writer = os.pipe()
reaper = subprocess.Popen(
    [sys.executable, "-I", "-S", {reaper.__file__!r}, str(writer), sys.executable, "-c",
     {STUBBORN!r}],
    stdin=subprocess.PIPE, pass_fds=(writer,), start_new_session=True)
print("engine", os.read(reader, 100).decode().strip(), reaper.pid, flush=True)
time.sleep(300)
""")
    process = subprocess.Popen([sys.executable, str(app)], stdout=subprocess.PIPE, text=True)
    lines = sorted([process.stdout.readline(), process.stdout.readline()])
    children = [int(pid) for pid in lines[0].split()[1:]]
    words = lines[1].split()
    pids = [*children, json.loads(" ".join(words[1:-1]))["engine"], int(words[-1])]
    assert len(pids) == 4 and not any(gone(pid) for pid in pids)
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: gone(*pids), seconds=5)
