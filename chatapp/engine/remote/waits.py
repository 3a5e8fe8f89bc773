"""What streams wait for at this moment, so that they can be told that it will not come.

A network that goes away says nothing: a read would wait for minutes. Who watches the connection
notices within seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Waits:
    """Of one event loop."""

    def __init__(self) -> None:
        self._since: dict[asyncio.Timeout, float] = {}

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[None]:
        """Raises TimeoutError when it is given up."""
        async with asyncio.timeout(None) as limit:
            self._since[limit] = time.monotonic()
            try:
                yield
            finally:
                del self._since[limit]

    def give_up(self, after_s: float) -> None:
        """Those that have waited for so long."""
        now = asyncio.get_running_loop().time()
        for limit, since in self._since.items():
            if time.monotonic() - since >= after_s and not limit.expired():
                limit.reschedule(now)
