"""From the settings and a card to a plan and its advice: what the app and ``plan`` share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chatapp.domain import Card, Pair
from chatapp.engine.advice import advise
from chatapp.engine.plan import MemoryPlan, PlannedPair, plan
from chatapp.engine.presets import Preset, default_preset, preset, presets

AUTO = "auto"


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
