"""The engine's parent: when the app is gone, however it went, the engine goes too.

Run as a script with only the standard library: ``reaper.py REPORT_FD command …``.
Its standard input is a pipe whose other end only the app holds. A byte on it, or its
end, means: end the engine. It reports on REPORT_FD, one JSON object per line:
``{"engine": pid}`` at the start, ``{"exit": code}`` when nothing of the engine is left.

The engine is a process group of its own. Whatever leaves the group is adopted by the
reaper (it is a subreaper) and ended as well. If the reaper itself is killed, the kernel
kills the engine's main process, and SGLang's children follow their parent.

Sockets and other temporary files of the engine lie in a directory that goes with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

GRACE_S = 2.0
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(report_fd: int, command: list[str]) -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="eaglechat-", ignore_cleanup_errors=True) as scratch:
        engine = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": scratch},
            process_group=0,
            preexec_fn=lambda: _as_engine(prctl),
        )
        report(report_fd, {"engine": engine.pid})
        code = watch(engine, wake_reader)
        end_group(engine.pid)
    report(report_fd, {"exit": code})


def watch(engine: subprocess.Popen[bytes], wake_reader: int) -> int:
    """Until the engine's main process has ended, by itself or because it was told to."""
    deadline: float | None = None
    while True:
        if (code := reap(engine)) is not None:
            return code
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        sources = [wake_reader] if deadline else [wake_reader, 0]
        ready, _, _ = select.select(sources, [], [], timeout)
        told = 0 in ready
        if wake_reader in ready:
            told = told or signal.SIGTERM in os.read(wake_reader, 4096)
        if told and deadline is None:
            engine.send_signal(signal.SIGINT)
            deadline = time.monotonic() + GRACE_S
        elif deadline is not None and time.monotonic() >= deadline:
            end_group(engine.pid)


def reap(engine: subprocess.Popen[bytes]) -> int | None:
    """The engine's exit code once it has ended; adopted orphans are reaped on the way."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return engine.returncode if engine.returncode is not None else -signal.SIGKILL
        if pid == 0:
            return engine.returncode
        if pid == engine.pid:
            engine.returncode = os.waitstatus_to_exitcode(status)


def end_group(group: int) -> None:
    """SIGKILL for the group and for whatever else is below us."""
    for _ in range(50):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def report(fd: int, line: dict[str, int]) -> None:
    try:
        os.write(fd, (json.dumps(line) + "\n").encode())
    except OSError:
        pass  # the app is gone; the engine is ended all the same


def _as_engine(prctl: ctypes._CFuncPtr) -> None:  # type: ignore[name-defined]
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
