"""The newest value of a stream, for readers that are slower than its writer.

The browser draws some ten times a second, the engine speaks a hundred times: a reader
gets the newest value at most once per ``interval``, and always the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")

INTERVAL_S = 0.1


class Latest(Generic[T]):
    """One writer puts values and closes; any number of readers follow."""

    def __init__(self, value: T) -> None:
        self.value = value
        self.closed = False
        self._version = 0
        self._readers: set[Reader[T]] = set()

    def put(self, value: T) -> None:
        self.value = value
        self._version += 1
        self._wake(hurry=False)

    def close(self) -> None:
        """No more values; readers get the last one at once and end."""
        self.closed = True
        self._wake(hurry=True)

    def reader(self, interval: float = INTERVAL_S) -> Reader[T]:
        return Reader(self, interval)

    def _wake(self, hurry: bool) -> None:
        for reader in self._readers:
            reader.wake(hurry)


class Reader(Generic[T]):
    """``async for`` gives the values, the one that is there already first."""

    def __init__(self, latest: Latest[T], interval: float) -> None:
        self._latest = latest
        self._interval = interval
        self._new = asyncio.Event()
        self._hurry = asyncio.Event()
        self._closed = False

    def close(self) -> None:
        """Ends the reading at once, from outside, without another value."""
        self._closed = True
        self.wake(hurry=True)

    def wake(self, hurry: bool) -> None:
        self._new.set()
        if hurry:
            self._hurry.set()

    async def __aiter__(self) -> AsyncIterator[T]:
        latest, seen = self._latest, -1
        latest._readers.add(self)
        try:
            while not self._closed:
                if seen != latest._version:
                    seen = latest._version
                    yield latest.value
                    await self._pause()
                elif latest.closed:
                    return
                else:
                    self._new.clear()
                    await self._new.wait()
        finally:
            latest._readers.discard(self)

    async def _pause(self) -> None:
        if self._latest.closed:
            return
        try:
            await asyncio.wait_for(self._hurry.wait(), self._interval)
        except TimeoutError:
            pass
