"""Pairs of a target and its draft: the catalogue, the check, the download.

``find_pair`` is what the app starts with; everything else stands in this room's modules.
"""

from __future__ import annotations

from chatapp.domain import Pair
from chatapp.pairs.check import check, examine
from chatapp.pairs.locate import locate
from chatapp.pairs.models import ModelFolders
from chatapp.pairs.start import start_name
from chatapp.settings import Settings

__all__ = ["check", "examine", "find_pair", "locate"]


def find_pair(settings: Settings) -> Pair:
    """The pair that the settings name, checked. Raises PairError."""
    models = ModelFolders(settings.data_dir)
    name = start_name(settings, models) if settings.pair == "auto" else settings.pair
    pair = locate(name, models)
    check(pair)
    return pair
