"""``plan``: what would go into the video memory, before anything is loaded or downloaded.

Without ``--gpu-memory`` it plans for the card of this machine, with what others hold now,
and for the pair and preset that were chosen on the page.
That a pair does not fit is an answer, not a failure: the exit code is 0 then too.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from chatapp.chat.choices import with_choices
from chatapp.commands.json_output import print_json
from chatapp.domain import Card
from chatapp.engine.planning.plan import MemoryPlan
from chatapp.engine.planning.planner import drafter_of, make_plan
from chatapp.engine.planning.row import MemoryRow, Note
from chatapp.errors import UsageError
from chatapp.measure.machine.cards import engine_card
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.planned import planned_known, planned_pair
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language
from chatapp.units import GIB, memory_gb

DEFAULT_PAIR = "published"
_BAR = 24


def main(arguments: Namespace, settings: Settings) -> int:
    card = _card(arguments.gpu_memory, settings)
    meant = with_choices(settings) if arguments.gpu_memory is None else settings
    made = plan_for(meant, card, arguments.context)
    if arguments.json:
        print_json(as_json(made))
    else:
        _show(made, Texts(system_language()))
    return 0


def plan_for(settings: Settings, card: Card, context: int | None = None) -> MemoryPlan:
    """The plan of the settings' pair, with its advice."""
    name = DEFAULT_PAIR if settings.pair == "auto" else settings.pair
    drafter = drafter_of(settings)
    pair = planned_pair(name, ModelFolders(settings.data_dir), drafter)
    return make_plan(card, pair, settings.preset, context, planned_known(drafter))


def _card(gigabytes: float | None, settings: Settings) -> Card:
    if gigabytes is not None:
        return Card(int(gigabytes * GIB))
    card = engine_card(settings.engine_args)
    if card is None:
        raise UsageError("plan_without_card")
    return card


def as_json(made: MemoryPlan) -> dict[str, Any]:
    return {
        "fits": made.fits,
        "pair": made.pair.name,
        "preset": made.preset.name,
        "card_bytes": made.card_bytes,
        "kv_bytes_per_token": made.kv_bytes_per_token,
        "kv_tokens": made.kv_tokens,
        "context_length": made.context_length,
        "streams": made.streams,
        "mem_fraction_static": made.mem_fraction_static,
        "mem_fraction_most": made.mem_fraction_most,
        "graph_sizes": list(made.preset.graph_sizes),
        "rows": [_row(row) for row in made.rows],
        "free_bytes": made.free_bytes,
        "unspoken_bytes": made.unspoken_bytes,
        "reasons": [_note(note) for note in made.reasons],
        "advice": [_note(note) for note in made.advice],
        "arguments": [
            *("--context-length", str(made.context_length)),
            *made.preset.arguments(made.mem_fraction_static),
        ],
    }


def _row(row: MemoryRow) -> dict[str, Any]:
    told = {"key": row.key, "bytes": row.bytes, "estimated": row.estimated}
    return told | {"from": dict(row.values)}


def _note(note: Note) -> dict[str, Any]:
    return {"key": note.key, **note.values}


def _show(made: MemoryPlan, texts: Texts) -> None:
    values = {"pair": made.pair.name, "size": memory_gb(made.card_bytes)}
    print(texts("plan.title", preset=made.preset.name, **values))
    for row in filter(lambda row: row.bytes, made.rows):
        label, mark = texts(f"plan.rows.{row.key}"), "≈" if row.estimated else " "
        source = texts(f"plan.sources.{row.key}", **row.values)
        filled = _bar(row.bytes, made.card_bytes)
        print(f"{mark}{memory_gb(row.bytes):>8} GB  {filled}  {label}: {source}")
    free = made.free_bytes
    label = texts("plan.rows.free" if free >= 0 else "plan.rows.lacking")
    print(f" {memory_gb(abs(free)):>8} GB  {_bar(free, made.card_bytes)}  {label}")
    print(texts("plan.estimated"))
    print()
    tokens = {"tokens": made.kv_tokens, "each": made.kv_bytes_per_token}
    if made.fits:
        room = {"context": made.context_length, "streams": made.streams}
        print(texts("plan.fits", **room, **tokens))
    else:
        print(texts("plan.fits_not", **tokens))
    for note in made.reasons:
        print("  " + texts(f"plan.notes.{note.key}", **note.values))
    for note in made.advice:
        print("→ " + texts(f"plan.notes.{note.key}", **note.values))


def _bar(size: int, of: int) -> str:
    filled = min(_BAR, round(_BAR * max(0, size) / of))
    return ("█" * filled or ("▏" if size > 0 else "")).ljust(_BAR)
