"""From the settings and a card to a plan, and to the pair as the engine shall run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chatapp.chat.choices import tuned, with_choices
from chatapp.devices import engine_device
from chatapp.domain import Card, Pair
from chatapp.engine.planning.advice import advise
from chatapp.engine.planning.plan import MemoryPlan, plan
from chatapp.engine.planning.presets import Preset, default_preset, preset, presets
from chatapp.measure.machine.cards import engine_card
from chatapp.pairs.choice import start_name
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.pairs.fit.check import check
from chatapp.pairs.locate import locate
from chatapp.pairs.planned import planned
from chatapp.settings import Settings

AUTO = "auto"


def look(settings: Settings) -> Card | None:
    """At the card that an engine would take now; None where it runs on the CPU, or the
    driver does not answer."""
    return None if engine_device(settings) == "cpu" else engine_card(settings.engine_args)


def find_pair(settings: Settings, card: Card | None = None) -> Pair:
    """The pair that the settings or the person on the page named, checked, with the tree
    that was kept for it, and on a GPU set up as the memory plan says for ``card``, or else
    for the one that is looked at now. Raises PairError."""
    settings, models = with_choices(settings), ModelFolders(settings.data_dir)
    name = start_name(settings, models) if settings.pair == AUTO else settings.pair
    pair = tuned(locate(name, models), settings)
    check(pair)
    card = card or look(settings)
    return pair if card is None else set_up(pair, make_plan(card, planned(pair), settings.preset))


def choose_preset(name: str, card: Card) -> Preset:
    """The preset of this name, or the one that is meant for such a card."""
    return default_preset(card.bytes) if name == AUTO else preset(name)


def make_plan(
    card: Card,
    pair: PlannedPair,
    preset_name: str = AUTO,
    context: int | None = None,
    known: Sequence[PlannedPair] = (),
) -> MemoryPlan:
    made = plan(card, pair, choose_preset(preset_name, card), context)
    return advise(made, card, context, tuple(presets().values()), known)


def set_up(pair: Pair, made: MemoryPlan) -> Pair:
    """The pair as the plan runs it. One that does not fit stays as published: the engine
    may manage where our estimates are too cautious, and says why when it does not."""
    if not made.fits:
        return pair
    arguments = tuple(made.preset.arguments(made.mem_fraction_static))
    return replace(pair, context_length=made.context_length, arguments=arguments)
