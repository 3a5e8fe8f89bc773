"""What the NVIDIA driver says about its cards. The only module that knows NVML.

A value that the driver does not tell is None, never zero; a driver that is missing or
fails gives a note (a key into the catalogues) in place of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from chatapp.domain import GpuProcess, GpuSample
from chatapp.host.machine import nvml_library

NO_DRIVER = "memory.no_driver"
NO_CARD = "memory.no_card"
FAILED = "memory.driver_failed"


class Gpus:
    """Samples all cards; starts NVML at the first sample, and again after a failure."""

    def __init__(self, nvml: Any = None) -> None:
        """``nvml`` is the ``pynvml`` module or something that behaves like it."""
        if nvml is None:
            import pynvml

            nvml = pynvml
        self._nvml = nvml
        # The last is no NVMLError: functions that an old driver does not have.
        mismatch = getattr(nvml, "NVMLLibraryMismatchError", nvml.NVMLError)
        self._errors = (nvml.NVMLError, mismatch)
        self._handles: list[Any] | None = None

    def sample(self, engine_pids: Collection[int]) -> tuple[tuple[GpuSample, ...], str | None]:
        """The cards that answer now, and a note that says why one or all do not."""
        cards, note = [], None
        try:
            if self._handles is None:
                self._handles = self._open()
        except self._errors as error:
            return (), self._note(error)
        for index, handle in enumerate(self._handles):
            try:
                cards.append(self._card(index, handle, engine_pids))
            except self._errors as error:
                self._handles, note = None, self._note(error)
        return tuple(cards), note if cards or note else NO_CARD

    def capability(self, index: int) -> tuple[int, int] | None:
        """Compute capability of a card, such as (8, 9); None where the driver does not tell."""
        try:
            handles = self._handles or self._open()
            major, minor = self._nvml.nvmlDeviceGetCudaComputeCapability(handles[index])
            return int(major), int(minor)
        except (*self._errors, IndexError):
            return None

    def _open(self) -> list[Any]:
        nvml_library()  # pynvml looks for it by its name alone
        self._nvml.nvmlInit()
        count = self._nvml.nvmlDeviceGetCount()
        return [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]

    def _card(self, index: int, handle: Any, engine_pids: Collection[int]) -> GpuSample:
        nvml, told = self._nvml, self._told
        memory, held = self._memory(handle), self._held(handle)
        rates = told(nvml.nvmlDeviceGetUtilizationRates, handle)
        milliwatts = told(nvml.nvmlDeviceGetPowerUsage, handle)
        return GpuSample(
            name=_text(nvml.nvmlDeviceGetName(handle)),
            used_bytes=memory.used,
            total_bytes=memory.total,
            reserved_bytes=getattr(memory, "reserved", 0),
            engine_bytes=sum(held.get(pid, 0) for pid in engine_pids) or None,
            utilisation_percent=rates and rates.gpu,
            temperature_c=told(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power_w=None if milliwatts is None else milliwatts / 1000,
            index=index,
            uuid=_text(told(nvml.nvmlDeviceGetUUID, handle) or ""),
            others=_others(held, engine_pids),
        )

    def _memory(self, handle: Any) -> Any:
        """As ``nvidia-smi`` counts. The first version of the call, all that an old driver
        has, counts as used what the driver keeps for itself."""
        ask, second = self._nvml.nvmlDeviceGetMemoryInfo, self._nvml.nvmlMemory_v2
        return self._told(ask, handle, second) or ask(handle)

    def _held(self, handle: Any) -> dict[int, int]:
        """pid → bytes, 0 where the driver does not tell: nobody is on a card with nothing,
        but WSL and containers say so. Some drivers list a process as one that draws, some
        as both."""
        nvml = self._nvml
        held: dict[int, int] = {}
        for ask in (
            nvml.nvmlDeviceGetComputeRunningProcesses,
            nvml.nvmlDeviceGetGraphicsRunningProcesses,
        ):
            for process in self._told(ask, handle) or ():
                held[process.pid] = max(held.get(process.pid, 0), process.usedGpuMemory or 0)
        return held

    def _told(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return ask(*arguments)
        except self._errors:
            return None

    def _note(self, error: Exception) -> str:
        code = getattr(error, "value", None)
        missing = (
            self._nvml.NVML_ERROR_LIBRARY_NOT_FOUND,
            self._nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        )
        return NO_DRIVER if code in missing else FAILED


def _others(held: dict[int, int], engine_pids: Collection[int]) -> tuple[GpuProcess, ...]:
    rest = ((pid, size) for pid, size in held.items() if pid not in engine_pids)
    largest_first = sorted(rest, key=lambda one: -one[1])
    return tuple(GpuProcess(pid, size or None) for pid, size in largest_first)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
