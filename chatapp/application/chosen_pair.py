"""The pair that the person chose, in the settings or on the page, as an engine runs it."""

from __future__ import annotations

from chatapp.chat.choices import careful_choices, tuned, with_choices
from chatapp.domain import Card, Pair
from chatapp.engine.planning.careful import Setup, careful, spared
from chatapp.engine.planning.planner import AUTO, drafter_of, look, make_plan, set_up
from chatapp.pairs.check import check
from chatapp.pairs.choice import start_name
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.locate import locate
from chatapp.pairs.planned import planned
from chatapp.settings import Settings


def find_pair(settings: Settings, card: Card | None = None) -> Pair:
    """The pair that the settings or the person on the page named, checked, with the tree
    that was kept for it, and on a GPU set up as the memory plan says for ``card``, or else
    for the one that is looked at now. Raises PairError."""
    settings, models = with_choices(settings), ModelFolders(settings.data_dir)
    name = start_name(settings, models) if settings.pair == AUTO else settings.pair
    pair = tuned(locate(name, models, drafter_of(settings)), settings)
    check(pair)
    card = card or look(settings)
    return pair if card is None else set_up(pair, make_plan(card, planned(pair), settings.preset))


def find_setup(settings: Settings, card: Card | None = None) -> Setup:
    """How the engine is started: that pair with the cautions that were kept. Raises
    PairError."""
    names, card = careful_choices(settings), card or look(settings)
    pair = find_pair(settings, spared(card) if card and "memory" in names else card)
    return careful(pair, settings.engine_args, names)
