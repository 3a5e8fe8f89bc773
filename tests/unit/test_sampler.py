"""Memory of real processes, and of cards through a driver that says what we let it say."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest

from chatapp.measure.gpus import FAILED, NO_CARD, NO_DRIVER, Gpus
from chatapp.measure.sampler import MemorySampler
from chatapp.texts import Texts

GB = 1024**3


class NvmlError(Exception):
    def __init__(self, value: int) -> None:
        self.value = value


class Driver:
    """The NVML calls that we make, for one card; ``silent`` names those that fail."""

    NVMLError = NvmlError
    NVML_ERROR_LIBRARY_NOT_FOUND, NVML_ERROR_DRIVER_NOT_LOADED = 12, 9
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, cards: int = 1, silent: tuple[str, ...] = (), code: int = 999) -> None:
        self.cards, self.silent, self.code, self.started = cards, silent, code, 0

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("nvml") and name in object.__getattribute__(self, "silent"):
            raise NvmlError(object.__getattribute__(self, "code"))
        return object.__getattribute__(self, name)

    def nvmlInit(self) -> None:
        self.started += 1

    def nvmlDeviceGetCount(self) -> int:
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return b"NVIDIA GeForce RTX 4090"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(used=20 * GB, total=24 * GB)

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(pid=11, usedGpuMemory=16 * GB),
            SimpleNamespace(pid=12, usedGpuMemory=None),
            SimpleNamespace(pid=99, usedGpuMemory=3 * GB),
        ]

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(gpu=87)

    def nvmlDeviceGetTemperature(self, handle: int, kind: int) -> int:
        return 61

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        return 312_500


def test_a_card_as_the_driver_tells_it() -> None:
    (card,), note = Gpus(Driver()).sample({11, 12})
    assert note is None
    assert (card.name, card.used_bytes, card.total_bytes) == (
        "NVIDIA GeForce RTX 4090",
        20 * GB,
        24 * GB,
    )
    assert (card.engine_bytes, card.utilisation_percent) == (16 * GB, 87)
    assert (card.temperature_c, card.power_w) == (61, 312.5)


def test_what_the_driver_does_not_tell_is_none() -> None:
    silent = (
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetComputeRunningProcesses",
    )
    (card,), _ = Gpus(Driver(silent=silent)).sample({11})
    assert (card.utilisation_percent, card.temperature_c, card.power_w) == (None, None, None)
    assert card.engine_bytes is None


def test_a_driver_that_names_none_of_our_processes_is_not_zero() -> None:
    (card,), _ = Gpus(Driver()).sample({1, 12})
    assert card.engine_bytes is None


@pytest.mark.parametrize(
    ("driver", "note"),
    [
        (Driver(silent=("nvmlInit",), code=12), NO_DRIVER),
        (Driver(silent=("nvmlInit",), code=9), NO_DRIVER),
        (Driver(silent=("nvmlDeviceGetMemoryInfo",), code=15), FAILED),
        (Driver(cards=0), NO_CARD),
    ],
)
def test_no_sample_has_a_note(driver: Driver, note: str) -> None:
    assert Gpus(driver).sample(()) == ((), note)
    assert Texts("zh")(note) and Texts("en")(note)


def test_a_driver_that_comes_back_is_asked_again() -> None:
    driver = Driver(silent=("nvmlDeviceGetMemoryInfo",))
    gpus = Gpus(driver)
    gpus.sample(())
    driver.silent = ()
    assert len(gpus.sample(())[0]) == 1
    assert driver.started == 2


def test_the_installed_driver_library_has_what_we_call() -> None:
    import pynvml

    called = [name for name in vars(Driver) if name.startswith(("nvml", "NVML"))]
    assert [name for name in called if not hasattr(pynvml, name)] == []


def test_processes_are_measured_and_ended_ones_left_out() -> None:
    code = "import time; print(flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()  # it is a Python by now, not the fork of one
        sampler = MemorySampler(lambda: {"main": os.getpid(), "scheduler": child.pid})
        both = sampler.sample()
        assert [process.name for process in both.engine] == ["main", "scheduler"]
        assert all(process.resident_bytes > 1_000_000 for process in both.engine)
        assert both.app_bytes == pytest.approx(both.engine[0].resident_bytes, rel=0.2)
        assert 0 < both.available_bytes < both.total_bytes
    finally:
        child.kill()
        child.wait()
    assert [process.name for process in sampler.sample().engine] == ["main"]


def test_a_sample_is_cheap() -> None:
    sampler = MemorySampler(lambda: {"main": os.getpid()})
    sampler.sample()
    times = []
    for _ in range(20):
        began = time.perf_counter()
        sampler.sample()
        times.append(time.perf_counter() - began)
    assert sorted(times)[10] < 0.01
