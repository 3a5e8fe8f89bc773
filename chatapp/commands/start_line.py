"""Shows in a terminal how far an engine's start is, where that can be told."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from chatapp.commands.progress_line import show
from chatapp.domain import EngineStatus
from chatapp.engine.process.how_far import how_far
from chatapp.texts import Texts, system_language

_EVERY_S = 0.5
_QUIET_EVERY_S = 10.0


@asynccontextmanager
async def shown_start(status: Callable[[], EngineStatus]) -> AsyncIterator[None]:
    """One line on standard error that is written over; in a file, a line now and then."""
    follower = asyncio.create_task(_follow(status))
    try:
        yield
    finally:
        follower.cancel()
        await asyncio.wait([follower])


async def _follow(status: Callable[[], EngineStatus]) -> None:
    texts, on_terminal = Texts(system_language()), sys.stderr.isatty()
    every = _EVERY_S if on_terminal else _QUIET_EVERY_S
    shown, at = "", time.monotonic()
    try:
        while True:
            if (text := line(texts, status())) != shown and time.monotonic() - at >= every:
                shown, at = text, time.monotonic()
                show(text, on_terminal)
            await asyncio.sleep(_EVERY_S)
    finally:
        if on_terminal and shown:
            show("", on_terminal)


def line(texts: Texts, status: EngineStatus) -> str:
    """``loading weights: 2.1 of 8.0 GB, about 20 s left``; empty where nothing is known."""
    for phase in status.timeline:
        if phase.progress is not None:
            return texts(f"engine.at.{phase.name}", so_far=how_far(texts, phase.progress))
    return ""
