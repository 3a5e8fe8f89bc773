"""What the memory of this machine holds now: the engine's processes, the app, the cards.

Cheap enough to be asked once a second beside a stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import psutil

from chatapp.domain import GpuSample, MemorySample, ProcessMemory
from chatapp.measure.machine.cards import engine_gpu
from chatapp.measure.machine.gpus import NO_CARD, Gpus


class MemorySampler:
    def __init__(
        self,
        engine_pids: Callable[[], dict[str, int]],
        arguments: Sequence[str] | None = (),
        gpus: Gpus | None = None,
    ) -> None:
        """``engine_pids`` names the engine's processes: name → pid. ``arguments`` are the
        person's own to the engine, which may choose a card; None: it uses none."""
        self._engine_pids, self._arguments = engine_pids, arguments
        self._gpus = gpus or Gpus()
        self._app = psutil.Process()
        self._seen = False

    def sample(self) -> MemorySample:
        pids = self._engine_pids()
        machine = psutil.virtual_memory()
        gpu, note = self._gpu(pids.values())
        return MemorySample(
            at=time.time(),
            total_bytes=machine.total,
            available_bytes=machine.available,
            app_bytes=self._app.memory_info().rss,
            engine=tuple(_memory_of(pids)),
            gpu=gpu,
            gpu_note=note,
            gpu_lost=gpu is None and self._seen,
        )

    def _gpu(self, pids: Collection[int]) -> tuple[GpuSample | None, str | None]:
        """Another card that does not answer is none of the engine's business."""
        if self._arguments is None:
            return None, None
        gpus, note = self._gpus.sample(pids)
        gpu = engine_gpu(gpus, self._arguments)
        self._seen |= gpu is not None
        return (_named(gpu), None) if gpu else (None, note or NO_CARD)


def _named(gpu: GpuSample) -> GpuSample:
    return replace(gpu, others=tuple(replace(one, name=_name(one.pid)) for one in gpu.others))


def _name(pid: int) -> str:
    """Nothing where the system keeps it to itself, or the driver numbers it otherwise."""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return ""


def _memory_of(pids: dict[str, int]) -> list[ProcessMemory]:
    """A process that has just ended is left out."""
    found = []
    for name, pid in pids.items():
        try:
            found.append(ProcessMemory(name, pid, psutil.Process(pid).memory_info().rss))
        except psutil.Error:
            continue
    return found
