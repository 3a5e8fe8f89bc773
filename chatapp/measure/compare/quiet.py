"""Whether the engine is ours alone while something is measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


async def _at_once() -> None:
    """Waits for nothing."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Whether somebody else uses the engine: ``quiet`` returns when nobody does, ``busy``
    tells during a run, which then does not count and is made again."""

    quiet: Callable[[], Awaitable[None]] = _at_once
    busy: Callable[[], bool] = lambda: False
