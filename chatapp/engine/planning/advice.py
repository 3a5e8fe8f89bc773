"""What to change when a pair does not fit, or fits only just. Pure.

Nothing is advised that was not planned and found to fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chatapp.domain import Card
from chatapp.engine.planning.plan import MemoryPlan, plan
from chatapp.engine.planning.presets import Preset
from chatapp.engine.planning.row import Note
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.units import memory_gb


def advise(
    made: MemoryPlan,
    card: Card,
    context: int | None,
    presets: Sequence[Preset],
    pairs: Sequence[PlannedPair],
) -> MemoryPlan:
    """The plan with its advice."""
    if made.fits:
        notes = () if context else tuple(_more_room(made, card, presets))
    else:
        notes = tuple(_ways(made, card, context, presets, pairs)) or (Note("larger_card"),)
    return replace(made, advice=notes)


def _ways(
    made: MemoryPlan,
    card: Card,
    context: int | None,
    presets: Sequence[Preset],
    pairs: Sequence[PlannedPair],
) -> Iterator[Note]:
    alone = plan(replace(card, others_bytes=0), made.pair, made.preset, context)
    if card.others_bytes and alone.fits:
        yield Note("close_others", {"size": memory_gb(card.others_bytes)})
    if context and plan(card, made.pair, made.preset).fits:
        yield Note("shorter_context", {"tokens": str(made.context_length)})
    for preset in _others(made, card, presets):
        if (other := plan(card, made.pair, preset, context)).fits:
            values = {"preset": preset.name, "tokens": str(other.context_length)}
            yield Note("other_preset", values)
    for pair in pairs:
        if pair.name != made.pair.name and (other := plan(card, pair, made.preset)).fits:
            yield Note("other_pair", {"pair": pair.name, "tokens": str(other.context_length)})


def _more_room(made: MemoryPlan, card: Card, presets: Sequence[Preset]) -> Iterator[Note]:
    """For a plan that had to cut the context: what would leave more."""
    if made.context_length >= min(made.pair.context_length, made.pair.longest_context):
        return
    for preset in _others(made, card, presets):
        other = plan(card, made.pair, preset)
        if other.fits and other.context_length > made.context_length:
            values = {"preset": preset.name, "tokens": str(other.context_length)}
            yield Note("more_with_preset", values)


def _others(made: MemoryPlan, card: Card, presets: Sequence[Preset]) -> Iterator[Preset]:
    for preset in presets:
        if preset.name != made.preset.name and preset.runs_on(card.capability):
            yield preset
