"""Which device the engine runs on, where the person left it open."""

from __future__ import annotations

from typing import Literal

from chatapp.host import machine, stamp
from chatapp.settings import Settings

Device = Literal["cpu", "cuda"]


def engine_device(settings: Settings) -> Device:
    """CUDA where a driver answers that is new enough, else the CPU; the CPU as well where
    only its set is installed. Raises LaunchError when CUDA was asked for and cannot be had.
    """
    if settings.device == "auto" and stamp.is_current("cpu"):
        return "cpu"
    chosen = machine.engine_set(settings.device, machine.nvidia_driver())
    return "cuda" if chosen == "cuda" else "cpu"
