"""The memory: what holds it now and held it in the last minutes, once for all tabs.

The system and the driver are asked in a thread, so that a stream goes on meanwhile, at most
once a second, and nobody is asked while nobody looks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chatapp.application.app_engine import AppEngine
from chatapp.domain import EngineState, MemorySample
from chatapp.errors import EngineError
from chatapp.measure.machine.ledger import EngineMemory, History, Point, kv_share

FRESH_S = 0.8  # pages ask once a second, not to the millisecond
_RETRACTED = "KV cache pool is full. Retract requests."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """The memory now. ``engine`` is what the engine says of itself, ``kv_share`` how much
    of its KV cache is in use, ``course`` the last minutes."""

    sample: MemorySample
    engine: EngineMemory | None = None
    kv_share: float | None = None
    course: Sequence[Point] = ()


class Monitor:
    def __init__(self, sample: Callable[[], MemorySample], engine: AppEngine) -> None:
        """``sample`` reads the memory of the machine and the card."""
        self._sample, self._engine = sample, engine
        self._history = History()
        self._moment: Moment | None = None
        self._looked_at = 0.0
        self._looking = asyncio.Lock()
        self._account: EngineMemory | None = None
        self._told_by = ""
        self._last_retraction = ""

    async def look(self) -> Moment:
        async with self._looking:
            now = time.monotonic()
            if self._moment is None or now - self._looked_at > FRESH_S:
                self._moment, self._looked_at = await self._see(), now
            return self._moment

    async def _see(self) -> Moment:
        sample, share = await asyncio.gather(asyncio.to_thread(self._sample), self._ask())
        if self._engine.status().elsewhere is not None:  # no card of this machine is its own
            sample = replace(sample, gpu=None, gpu_note=None, gpu_lost=False)
        self._history.add(sample, share, self._retracted())
        return Moment(sample, self._account, share, self._history.points())

    async def _ask(self) -> float | None:
        """The engine: its account of itself once, how full its KV cache is each time."""
        status = self._engine.status()
        if status.state is not EngineState.READY:
            self._account, self._told_by = None, ""
            return None
        try:
            client = self._engine.client
            who = f"{status.address} {status.pair_name}"
            if self._told_by != who:
                self._account = EngineMemory.told(await client.server_info())
                self._told_by = who
            return kv_share(await client.loads())
        except EngineError as error:
            _log.info("the engine did not tell its memory: %s", error)
            return None

    def _retracted(self) -> bool:
        lines = [line for line in self._engine.status().log_tail if _RETRACTED in line]
        last = lines[-1] if lines else ""
        new = bool(last) and last != self._last_retraction
        self._last_retraction = last or self._last_retraction
        return new
