"""How much of its weight files the engine has read.

SGLang maps the files and lets go of each when it has copied it, so what has been read is
what is resident of the maps that are there (``/proc/<pid>/smaps``), and the whole of each
file whose map is gone again. The counters in ``/proc/<pid>/io`` do not tell: ``rchar``
knows nothing of maps, and ``read_bytes`` counts what the kernel asks of the disk ahead of
time, nothing of what lies in its cache, and other files as well.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import psutil

from chatapp.domain import PhaseProgress
from chatapp.errors import PairError
from chatapp.pairs.files.weights import weight_files

PHASES = ("weights", "draft")
_EVERY_S = 1.0  # the kernel counts pages for it: some 30 ms for a process of this size
_SPEED_OVER_S = 10.0
_SPEED_FROM_S = 3.0
_SPEED_FROM_SHARE = 0.02  # before that little more than a file's header is read


class Loading:
    """Of the target and, if there is one, of the draft. Weights in torch's own format are
    not mapped: of those nothing is told."""

    def __init__(self, target: Path, draft: Path | None) -> None:
        folders = zip(PHASES, (target, draft), strict=True)
        self._sizes = {phase: _sizes(folder) if folder else {} for phase, folder in folders}
        self._read: dict[str, int] = {}
        self._seen: deque[tuple[float, int]] = deque()
        self._told: tuple[str, PhaseProgress | None] = ("", None)

    def look(self, phase: str, pid: int, at: float) -> PhaseProgress | None:
        """At ``at`` seconds of a steady clock; None before the first byte. Looks at most
        once a second and answers what it saw last in between."""
        known, progress = self._told
        if known != phase:
            progress = None
            self._seen.clear()
        elif self._seen and at - self._seen[-1][0] < _EVERY_S:
            return progress
        mapped = _mapped(pid)
        if mapped is not None:
            progress = self._count(phase, mapped, at)
            self._told = (phase, progress)
        return progress

    def _count(self, phase: str, mapped: dict[str, int], at: float) -> PhaseProgress | None:
        """``mapped``: resident bytes of each file that is mapped now."""
        sizes = self._sizes[phase]
        for path, size in sizes.items():
            if path in mapped:
                self._read[path] = max(self._read.get(path, 0), min(mapped[path], size))
            elif path in self._read:
                self._read[path] = size
        done, total = sum(self._read.get(path, 0) for path in sizes), sum(sizes.values())
        self._seen.append((at, done))
        while at - self._seen[0][0] > _SPEED_OVER_S:
            self._seen.popleft()
        return PhaseProgress(done, total, "bytes", self._left(total)) if done else None

    def _left(self, total: int) -> float | None:
        """Seconds, at the speed of the last ones in which anything came."""
        moving = [entry for entry in self._seen if entry[1] >= _SPEED_FROM_SHARE * total]
        if not moving:
            return None
        (begun, before), (now, done) = moving[0], moving[-1]
        if now - begun < _SPEED_FROM_S or done == before:
            return None
        return (total - done) * (now - begun) / (done - before)


def _sizes(folder: Path) -> dict[str, int]:
    try:
        files = [file.resolve() for file in weight_files(folder)]
        return {str(file): file.stat().st_size for file in files}
    except (OSError, PairError):
        return {}


def _mapped(pid: int) -> dict[str, int] | None:
    """None when the process has just ended."""
    try:
        return {entry.path: entry.rss for entry in psutil.Process(pid).memory_maps()}
    except (psutil.Error, OSError):
        return None
