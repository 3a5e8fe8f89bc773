"""Several tabs that send one message after another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import httpx

from tests.soaking.tab import Tab

_STORIES = ("Tell me a story about an owl", "讲一个关于兔子的故事", "Tell me a story about a horse")


class Talk:
    """Goes on until its last words are spoken, or the page goes."""

    def __init__(self, tabs: Sequence[Tab], rng: random.Random) -> None:
        self._tabs, self._rng = tabs, rng
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def streaming(self) -> int:
        """Replies of which there is something, and not yet all."""
        return sum(tab.streaming for tab in self._tabs)

    async def begin(self) -> None:
        await asyncio.gather(*(tab.open() for tab in self._tabs))
        self._tasks = [asyncio.create_task(self._send(tab)) for tab in self._tabs]

    def last_words(self) -> None:
        """What is being answered is the last."""
        self._over = True

    async def end(self) -> None:
        """Returns when all replies have ended."""
        self.last_words()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for tab in self._tabs:
            await tab.close()

    async def _send(self, tab: Tab) -> None:
        with suppress(httpx.HTTPError):
            while not self._over:
                await tab.send(self._rng.choice(_STORIES))
