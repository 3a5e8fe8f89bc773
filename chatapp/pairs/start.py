"""Which pair the app starts with when nobody named one."""

from __future__ import annotations

from collections.abc import Callable

from chatapp.devices import engine_device
from chatapp.measure.cards import first_card
from chatapp.pairs.catalogue import POCKET, default_name, known_pairs
from chatapp.pairs.models import ModelFolders
from chatapp.settings import Settings


def start_name(settings: Settings, models: ModelFolders) -> str:
    """The pair meant for this machine if it is here, else the pocket pair."""
    meant = meant_name(settings)
    if meant == POCKET:
        return POCKET
    known = known_pairs()[meant]
    return meant if models.find(known.target) and models.find(known.draft) else POCKET


def meant_name(settings: Settings, card: Callable[[], int | None] | None = None) -> str:
    """The pair that this machine's card is meant for, downloaded or not."""
    if engine_device(settings) == "cpu":
        return POCKET
    return default_name((card or card_bytes)())


def card_bytes() -> int | None:
    """Of the card that the engine takes; None where none answers."""
    card = first_card()
    return card.bytes if card else None
