"""Engines of ours that another run left behind: found, and ended when a person says so.

Every process of an engine carries a mark in its environment that names the app which
started it. Left behind is one of this user whose app is gone, and whose reaper, which ends
it within seconds, has not done so. Nothing else is listed, and nothing else is ever ended.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from chatapp.engine.process.pidfile import Process

_OWNER = "EAGLECHAT_OWNER"
REAPED_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Orphan:
    """What runs of the engine of ``app``, which is gone."""

    app: Process
    processes: tuple[Process, ...]

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self.processes if process.lives())

    @property
    def resident_bytes(self) -> int:
        return sum(_resident(pid) for pid in self.pids)


def mark() -> dict[str, str]:
    """What the environment of an engine says of the app that starts it. SGLang renames its
    processes, which would overwrite their environment but for SPT_NOENV."""
    app = Process.of(os.getpid())
    return {_OWNER: f"{app.pid} {app.created}", "SPT_NOENV": "1"}


def find_orphans() -> tuple[Orphan, ...]:
    found: dict[Process, list[Process]] = defaultdict(list)
    for app, process in _marked():
        found[app].append(process)
    return tuple(
        Orphan(app, tuple(processes)) for app, processes in found.items() if not app.lives()
    )


def left_behind(patience_s: float = REAPED_WITHIN_S) -> tuple[Orphan, ...]:
    """Those that are still there once their reapers have had their time."""
    deadline = time.monotonic() + patience_s
    while (found := find_orphans()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def end(orphan: Orphan) -> None:
    """Returns when nothing of it is left, or the system does not let go of it. What has
    taken one of its numbers since is no longer of it."""
    found = (one.processes for one in find_orphans() if one.app == orphan.app)
    known = [process for processes in found for process in processes]
    for process in known:
        try:
            psutil.Process(process.pid).kill()
        except psutil.Error:
            continue
    deadline = time.monotonic() + REAPED_WITHIN_S
    while any(process.lives() for process in known) and time.monotonic() < deadline:
        time.sleep(0.02)


def _marked() -> Iterator[tuple[Process, Process]]:
    """App and process, of this user's processes that carry the mark."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if entry.stat().st_uid != os.getuid():
                continue
            for line in (entry / "environ").read_bytes().split(b"\0"):
                name, _, value = line.decode(errors="replace").partition("=")
                if name == _OWNER:
                    pid, created = value.split()
                    yield Process(int(pid), float(created)), Process.of(int(entry.name))
        except (OSError, ValueError, psutil.Error):
            continue  # it has ended, or keeps it to itself


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
