"""From the settings and a card to a plan, and to the pair as the engine shall run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chatapp.devices import engine_device
from chatapp.domain import Card, Pair
from chatapp.engine.planning.advice import advise
from chatapp.engine.planning.plan import MemoryPlan, plan
from chatapp.engine.planning.presets import Preset, default_preset, preset, presets
from chatapp.measure.machine.cards import engine_card
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.settings import Settings

AUTO = "auto"


def look(settings: Settings) -> Card | None:
    """At the card that an engine would take now; None where it runs on the CPU, or the
    driver does not answer."""
    return None if engine_device(settings) == "cpu" else engine_card(settings.engine_args)


def drafter_of(settings: Settings) -> str | None:
    """SGLang's name of the drafter that was asked for; None: the pair's own."""
    return None if settings.drafter == AUTO else settings.drafter.upper()


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
