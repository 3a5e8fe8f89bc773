"""Which pair the app starts with when nobody named one."""

from __future__ import annotations

from chatapp.devices import engine_device
from chatapp.measure.machine.cards import engine_card
from chatapp.pairs.catalogue import POCKET, default_name, known_pairs
from chatapp.pairs.files.folders import ModelFolders
from chatapp.settings import Settings


def start_name(settings: Settings, models: ModelFolders) -> str:
    """The pair meant for this machine if it is here, else the pocket pair."""
    meant = meant_name(settings)
    if meant == POCKET:
        return POCKET
    known = known_pairs()[meant]
    return meant if models.find(known.target) and models.find(known.draft) else POCKET


def meant_name(settings: Settings) -> str:
    """The pair that this machine's card is meant for, downloaded or not."""
    if engine_device(settings) == "cpu":
        return POCKET
    card = engine_card(settings.engine_args)
    return default_name(card.bytes if card else None)
