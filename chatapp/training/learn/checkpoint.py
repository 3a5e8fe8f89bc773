"""Checkpoints: a run that is killed at any point goes on from the last one.

Promises: a checkpoint is whole or absent (written beside, flushed, then renamed), and
holds everything the next step depends on, so that a resumed run ends with the same
weights as an uninterrupted one.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

EVERY_SECONDS = 120


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace ``path`` in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any] | None:
    """The last checkpoint; None when there is none."""
    if not path.exists():
        return None
    return torch.load(path, map_location="cpu", weights_only=True)


class Clock:
    """Says when to save: every two minutes."""

    def __init__(self, every: float = EVERY_SECONDS) -> None:
        self.every = every
        self.last = time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self.last < self.every:
            return False
        self.last = time.monotonic()
        return True
