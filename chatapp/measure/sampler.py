"""What the memory of this machine holds now: the engine's processes, the app, the cards.

Cheap enough to be asked once a second beside a stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

from chatapp.domain import MemorySample, ProcessMemory
from chatapp.measure.gpus import Gpus


class MemorySampler:
    """``engine_pids`` names the engine's processes: name → pid."""

    def __init__(self, engine_pids: Callable[[], dict[str, int]], gpus: Gpus | None = None) -> None:
        self._engine_pids = engine_pids
        self._gpus = gpus or Gpus()
        self._app = psutil.Process()

    def sample(self) -> MemorySample:
        pids = self._engine_pids()
        machine = psutil.virtual_memory()
        cards, note = self._gpus.sample(frozenset(pids.values()))
        return MemorySample(
            at=time.time(),
            total_bytes=machine.total,
            available_bytes=machine.available,
            app_bytes=self._app.memory_info().rss,
            engine=tuple(_memory_of(pids)),
            gpus=cards,
            gpu_note=note,
        )


def _memory_of(pids: dict[str, int]) -> list[ProcessMemory]:
    """A process that has just ended is left out."""
    found = []
    for name, pid in pids.items():
        try:
            found.append(ProcessMemory(name, pid, psutil.Process(pid).memory_info().rss))
        except psutil.Error:
            continue
    return found
