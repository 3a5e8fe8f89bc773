"""How far a download is: per file, in all, how fast, how long still."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

_SPEED_OVER_S = 5.0


class DownloadState(StrEnum):
    """WAITING: for a line that broke or a source that is busy."""

    ASKING = "asking"
    FETCHING = "fetching"
    CHECKING = "checking"
    WAITING = "waiting"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        return self in (self.FINISHED, self.CANCELLED, self.FAILED)


@dataclass(frozen=True, slots=True)
class FileProgress:
    """``done`` of ``size`` bytes of one file of ``model``."""

    model: str
    path: str
    size: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """``error`` is an error key with its values once the download has failed."""

    name: str
    state: DownloadState = DownloadState.ASKING
    source: str = ""
    files: tuple[FileProgress, ...] = ()
    bytes_per_second: float | None = None
    error: str | None = None
    error_values: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def done(self) -> int:
        return sum(file.done for file in self.files)

    @property
    def seconds_left(self) -> float | None:
        if not self.bytes_per_second or self.state is not DownloadState.FETCHING:
            return None
        return (self.total - self.done) / self.bytes_per_second


class Meter:
    """Takes what the downloading thread reports; anyone may read ``now``."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._progress = DownloadProgress(name)
        self._places: dict[tuple[str, str], int] = {}
        self._arrived: deque[tuple[float, int]] = deque()

    def now(self) -> DownloadProgress:
        with self._lock:
            return replace(self._progress, bytes_per_second=self._speed())

    def set(self, **fields: Any) -> None:
        with self._lock:
            self._progress = replace(self._progress, **fields)

    def files(self, files: Iterable[FileProgress]) -> None:
        with self._lock:
            listed = tuple(files)
            self._places = {(file.model, file.path): at for at, file in enumerate(listed)}
            self._progress = replace(self._progress, files=listed)

    def at(self, model: str, path: str, done: int) -> None:
        """So much of a file is on the disk: found there, or thrown away again."""
        with self._lock:
            self._put(model, path, done)

    def arrived(self, model: str, path: str, done: int, size: int) -> None:
        """``size`` more bytes came, so that it is ``done`` now."""
        with self._lock:
            self._put(model, path, done)
            self._arrived.append((self._clock(), size))

    def _put(self, model: str, path: str, done: int) -> None:
        files = list(self._progress.files)
        at = self._places[model, path]
        files[at] = replace(files[at], done=done)
        self._progress = replace(self._progress, files=tuple(files))

    def _speed(self) -> float | None:
        now = self._clock()
        while self._arrived and self._arrived[0][0] < now - _SPEED_OVER_S:
            self._arrived.popleft()
        if len(self._arrived) < 2 or self._progress.state is not DownloadState.FETCHING:
            return None
        elapsed = max(now - self._arrived[0][0], 1e-3)
        return sum(size for _, size in self._arrived) / elapsed
