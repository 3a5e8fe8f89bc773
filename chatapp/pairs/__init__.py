"""Pairs of a target and its draft: the catalogue, the check, the download.

``find_pair`` is what the app starts with; everything else stands in this room's modules.
"""

from __future__ import annotations

from chatapp.devices import engine_device
from chatapp.domain import Pair
from chatapp.pairs.check import check, examine
from chatapp.pairs.locate import locate
from chatapp.pairs.models import ModelFolders
from chatapp.pairs.start import start_name
from chatapp.settings import Settings

__all__ = ["check", "examine", "find_pair", "locate"]


def find_pair(settings: Settings) -> Pair:
    """The pair that the settings name, checked, and on a GPU set up as the memory plan
    says. Raises PairError."""
    models = ModelFolders(settings.data_dir)
    name = start_name(settings, models) if settings.pair == "auto" else settings.pair
    pair = locate(name, models)
    check(pair)
    return pair if engine_device(settings) == "cpu" else _on_this_card(pair, settings)


def _on_this_card(pair: Pair, settings: Settings) -> Pair:
    from chatapp.engine.planning import make_plan, set_up
    from chatapp.measure.cards import first_card
    from chatapp.pairs.planned import planned

    card = first_card()
    return pair if card is None else set_up(pair, make_plan(card, planned(pair), settings.preset))
