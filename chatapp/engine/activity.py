"""What is awaited from an engine, and when it last gave a sign of life."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Clock = Callable[[], float]


class Activity:
    """Of one engine, over all its streams. Usable from any thread."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._awaited, self._since = 0, 0.0

    @contextmanager
    def awaiting(self) -> Iterator[None]:
        with self._lock:
            if not self._awaited:
                self._since = self._clock()
            self._awaited += 1
        try:
            yield
        finally:
            with self._lock:
                self._awaited -= 1

    def sign(self) -> None:
        """It has said something."""
        self._since = self._clock()

    def silent_s(self) -> float:
        """How long it has been silent although something is awaited."""
        with self._lock:
            return self._clock() - self._since if self._awaited else 0.0
