"""The card that the engine takes, as the memory plan wants to know it."""

from __future__ import annotations

import os

from chatapp.domain import Card
from chatapp.measure.gpus import Gpus


def first_card(gpus: Gpus | None = None, engine_bytes: int = 0) -> Card | None:
    """The card that CUDA takes first and what others than the engine hold of it; None
    where none answers."""
    gpus, index = gpus or Gpus(), _first_visible()
    cards, _ = gpus.sample(())
    if index >= len(cards):
        return None
    used = max(0, cards[index].used_bytes - engine_bytes)
    return Card(cards[index].total_bytes, used, gpus.capability(index))


def _first_visible() -> int:
    """``CUDA_VISIBLE_DEVICES`` counts as the driver does: the engine is told to."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    return int(first) if first.isdigit() else 0
