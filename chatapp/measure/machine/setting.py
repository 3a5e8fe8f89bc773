"""What this machine is called in a report, and which versions measured."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from chatapp.domain import Elsewhere, EngineStatus
from chatapp.measure.compare.arms import Setting
from chatapp.measure.machine.cards import engine_gpu
from chatapp.measure.machine.gpus import Gpus

_PACKAGES = ("eaglechat", "sglang", "torch")


@lru_cache
def machine_name(device: str, arguments: tuple[str, ...] = ()) -> str:
    """The engine's card where it runs on CUDA, else the processor with its cores."""
    if device == "cuda" and (gpu := engine_gpu(Gpus().sample(())[0], arguments)):
        return gpu.name
    return f"{_processor()} × {psutil.cpu_count() or 1}"


@lru_cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def setting_of(status: EngineStatus, arguments: tuple[str, ...] = ()) -> Setting:
    """Where whatever is measured now is measured. ``arguments``: the person's own to the
    engine, which may choose a card. An engine elsewhere says what it runs on."""
    there = status.elsewhere
    return Setting(
        machine=_named(there) if there else machine_name(status.device, arguments),
        device=status.device,
        pair=status.pair_name,
        tree=str(status.tree) if status.tree else "",
        # The engine calculates in float32 on a CPU, whatever type the weights have.
        dtype="float32" if status.device == "cpu" else status.dtype,
        versions=versions() | ({"sglang": there.version} if there else {}),
        simulated_accept_length=status.simulated_accept_length,
    )


def _named(there: Elsewhere) -> str:
    return f"{there.machine} ({there.host})" if there.machine else there.host


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
