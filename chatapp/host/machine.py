"""What this machine is: its system, its NVIDIA driver, its free disk."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import LaunchError

MINIMUM_DRIVER = 580
# What the pinned SGLang is built for, and the C library that its wheels need.
PYTHONS = ("3.11", "3.12", "3.13")
MINIMUM_GLIBC = "2.34"
_NVML = ("libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1")


@dataclass(frozen=True, slots=True)
class Driver:
    """An NVIDIA driver that answers, and how many GPUs it has."""

    version: str
    gpus: int

    @property
    def new_enough(self) -> bool:
        return int(self.version.partition(".")[0] or 0) >= MINIMUM_DRIVER


def check_system(
    system: str = sys.platform,
    machine: str | None = None,
    libc: tuple[str, str] | None = None,
) -> None:
    """Raises LaunchError where SGLang does not run. ``libc``: its name and version."""
    machine = machine or platform.machine()
    name, version = libc or platform.libc_ver()
    if system in ("win32", "cygwin"):
        raise LaunchError("launch_windows")
    if system == "darwin":
        raise LaunchError("launch_macos")
    if system != "linux":
        raise LaunchError("launch_system", system=system)
    if machine not in ("x86_64", "aarch64", "arm64"):
        raise LaunchError("launch_machine", machine=machine)
    if name != "glibc":
        raise LaunchError("launch_libc")
    if _numbers(version) < _numbers(MINIMUM_GLIBC):
        raise LaunchError("launch_old_libc", version=version, minimum=MINIMUM_GLIBC)


def base_python(
    version: str = f"{sys.version_info.major}.{sys.version_info.minor}",
    which: Callable[[str], str | None] = shutil.which,
) -> str:
    """The Python to make ``.venv`` of: the one that runs, or where the engine is not built
    for that one, another of this machine. Raises LaunchError where there is none."""
    if version in PYTHONS:
        return getattr(sys, "_base_executable", None) or sys.executable
    for other in reversed(PYTHONS):
        if found := which(f"python{other}"):
            return found
    raise LaunchError("launch_new_python", version=version, newest=PYTHONS[-1])


def nvidia_driver() -> Driver | None:
    """The driver, asked through its own library; None where there is none or no GPU, or
    where every GPU is hidden from CUDA."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0].strip() in ("", "-1"):
        return None
    library = nvml_library()
    return _ask(library) if library else None


def nvml_library() -> ctypes.CDLL | None:
    """The driver's own library; None where there is none. Once it is loaded, whoever looks
    for it by its name alone finds it, wherever it lies."""
    for name in _NVML:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _ask(nvml: ctypes.CDLL) -> Driver | None:
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        version = ctypes.create_string_buffer(80)
        gpus = ctypes.c_uint()
        if nvml.nvmlSystemGetDriverVersion(version, len(version)) != 0:
            return None
        if nvml.nvmlDeviceGetCount_v2(ctypes.byref(gpus)) != 0 or not gpus.value:
            return None
        return Driver(version.value.decode(), gpus.value)
    finally:
        nvml.nvmlShutdown()


def engine_set(device: str, driver: Driver | None) -> str:
    """Which requirement set fits: ``cpu`` or ``cuda``."""
    if device == "auto":
        return "cuda" if driver and driver.new_enough else "cpu"
    if device == "cuda" and driver is None:
        raise LaunchError("launch_no_driver")
    if device == "cuda" and driver and not driver.new_enough:
        raise LaunchError("launch_old_driver", version=driver.version, minimum=MINIMUM_DRIVER)
    return device


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def free_bytes(path: Path) -> int:
    return shutil.disk_usage(path).free
