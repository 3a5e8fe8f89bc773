"""How far a phase of the start is, in words."""

from __future__ import annotations

import math

from chatapp.domain import PhaseProgress
from chatapp.texts import Texts
from chatapp.units import disk_gb

_MINUTES_FROM_S = 90
_ROUNDED_TO_S = 5


def how_far(texts: Texts, progress: PhaseProgress) -> str:
    """``2.1 of 8.0 GB, about 20 s left``."""
    write = disk_gb if progress.unit == "bytes" else str
    values = {"done": write(progress.done), "total": write(progress.total)}
    so_far, left = texts(f"engine.how_far.{progress.unit}", **values), progress.seconds_left
    if left is None:
        return so_far
    if left >= _MINUTES_FROM_S:
        return texts("engine.how_far.minutes", so_far=so_far, left=round(left / 60))
    rounded = _ROUNDED_TO_S * max(1, math.ceil(left / _ROUNDED_TO_S))
    return texts("engine.how_far.seconds", so_far=so_far, left=rounded)
