"""The card that the engine takes, as the memory plan wants to know it."""

from __future__ import annotations

from chatapp.domain import Card
from chatapp.measure.gpus import Gpus


def first_card(gpus: Gpus | None = None, engine_bytes: int = 0) -> Card | None:
    """The first card and what others than the engine hold of it; None without a driver."""
    gpus = gpus or Gpus()
    cards, _ = gpus.sample(())
    if not cards:
        return None
    used = max(0, cards[0].used_bytes - engine_bytes)
    return Card(cards[0].total_bytes, used, gpus.capability(0))
