"""What the NVIDIA driver says about its cards. The only module that knows NVML.

A value that the driver does not tell is None, never zero; a driver that is missing or
fails gives a note (a key into the catalogues) in place of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from chatapp.domain import GpuSample

NO_DRIVER = "memory.no_driver"
NO_CARD = "memory.no_card"
FAILED = "memory.driver_failed"


class Gpus:
    """Samples all cards; starts NVML at the first sample, and again after a failure."""

    def __init__(self, nvml: Any = None) -> None:
        """``nvml`` is the ``pynvml`` module or something that behaves like it."""
        if nvml is None:
            import pynvml as nvml
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
        self._nvml.nvmlInit()
        count = self._nvml.nvmlDeviceGetCount()
        return [self._nvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]

    def _card(self, index: int, handle: Any, engine_pids: Collection[int]) -> GpuSample:
        nvml = self._nvml
        memory = self._memory(handle)
        return GpuSample(
            name=_text(nvml.nvmlDeviceGetName(handle)),
            used_bytes=memory.used,
            total_bytes=memory.total,
            reserved_bytes=getattr(memory, "reserved", 0),
            engine_bytes=self._told(lambda: self._engine_bytes(handle, engine_pids)),
            utilisation_percent=self._told(lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            temperature_c=self._told(
                lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
            ),
            power_w=self._told(lambda: nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
            index=index,
            uuid=_text(self._told(lambda: nvml.nvmlDeviceGetUUID(handle)) or ""),
        )

    def _memory(self, handle: Any) -> Any:
        """As ``nvidia-smi`` counts. The first version of the call, all that an old driver
        has, counts as used what the driver keeps for itself."""
        ask, second = self._nvml.nvmlDeviceGetMemoryInfo, self._nvml.nvmlMemory_v2
        return self._told(lambda: ask(handle, version=second)) or ask(handle)

    def _engine_bytes(self, handle: Any, engine_pids: Collection[int]) -> int | None:
        """None where the driver names none of the engine's processes: under WSL and in
        containers it cannot, and that is not the same as nothing used."""
        told = [
            process.usedGpuMemory
            for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            if process.pid in engine_pids and process.usedGpuMemory is not None
        ]
        return sum(told) if told else None

    def _told(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except self._errors:
            return None

    def _note(self, error: Exception) -> str:
        code = getattr(error, "value", None)
        missing = (
            self._nvml.NVML_ERROR_LIBRARY_NOT_FOUND,
            self._nvml.NVML_ERROR_DRIVER_NOT_LOADED,
        )
        return NO_DRIVER if code in missing else FAILED


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
