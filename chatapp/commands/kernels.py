"""``kernels build`` and ``kernels list``: what the engine compiles, compiled ahead.

It needs no GPU: ``--arch`` names the card to build for. Built is for the pair, the preset
and the tree that would be started, and for the pair that such a card is meant for.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from chatapp import locations
from chatapp.chat.choices import tuned, with_choices
from chatapp.commands.json_output import print_json
from chatapp.domain import Card, Pair, PhaseProgress
from chatapp.engine.command import engine_command, engine_environment
from chatapp.engine.planning.planner import AUTO, drafter_of, make_plan, set_up
from chatapp.engine.process.how_far import how_far
from chatapp.errors import EngineError, UsageError
from chatapp.kernels import cache
from chatapp.kernels.build import BuildError, BuildProgress, build, log_path
from chatapp.measure.machine.cards import engine_card
from chatapp.pairs.catalogue import POCKET, default_name
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.files.unfilled import write_configurations
from chatapp.pairs.planned import planned_pair
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language
from chatapp.units import GIB

# A card of which only the architecture is said is one of these: a 4090.
_CARD_BYTES = 24 * GIB


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())
    if arguments.action == "list":
        return _list(arguments.json, texts)
    return _build(arguments, settings, texts)


def _build(arguments: Namespace, settings: Settings, texts: Texts) -> int:
    if importlib.util.find_spec("sgl_kernel") is None:
        raise UsageError("kernels_without_set")
    arch, began = arguments.arch or _arch(settings), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eaglechat-pairs-") as folder:
        for pair in _pairs(with_choices(settings), arch, Path(folder)):
            command = engine_command(pair, "cuda", 0, "", extra=settings.engine_args)
            _follow(pair.name, build(command, arch, engine_environment("cuda")), texts)
    if arguments.json:
        found = [asdict(kernel) for kernel in cache.kernels()]
        seconds = round(time.monotonic() - began, 1)
        print_json({"arch": arch, "seconds": seconds, "kernels": found})
    else:
        _list(False, texts)
    return 0


def _follow(name: str, steps: Iterator[BuildProgress], texts: Texts) -> None:
    """Raises EngineError with what the compiler said."""
    try:
        for progress in steps:
            print(f"· {name}: {_line(progress, texts)}", file=sys.stderr, flush=True)
    except BuildError as error:
        module = error.module or texts("kernels.rehearsal")
        last = [line for line in error.reason.splitlines() if line.strip()][-1:]
        reason = last[0] if last else "?"
        log = log_path()
        raise EngineError("kernels_failed", module=module, reason=reason, log=log) from None


def _line(progress: BuildProgress, texts: Texts) -> str:
    if not progress.total:
        return texts("kernels.finding_out")
    phase = PhaseProgress(progress.done, progress.total, "modules", progress.seconds_left)
    return how_far(texts, phase)


def _list(as_json: bool, texts: Texts) -> int:
    found = cache.kernels()
    if as_json:
        print_json({"kernels": [asdict(kernel) for kernel in found]})
        return 0
    for kernel in found:
        arch = kernel.arch or texts("kernels.any_card")
        print(f"{kernel.by:<10} {arch:<6} {kernel.bytes / 1e6:>7.1f} MB  {kernel.name}")
    whole = sum(kernel.bytes for kernel in found) / 1e6
    key = "kernels.one" if len(found) == 1 else "kernels.many"
    print(texts(key, count=len(found), size=f"{whole:.1f}", place=locations.kernels()))
    return 0


def _arch(settings: Settings) -> str:
    card = engine_card(settings.engine_args)
    if card is None or card.capability is None:
        raise UsageError("kernels_which_card")
    return "{}.{}".format(*card.capability)


def _pairs(settings: Settings, arch: str, folder: Path) -> Iterator[Pair]:
    """Those that may be started, as they would be: the one that was named, or else the one
    that such a card is meant for, here or not, and the pocket pair."""
    major, _, minor = arch.partition(".")
    card = engine_card(settings.engine_args) or Card(
        _CARD_BYTES, capability=(int(major), int(minor))
    )
    meant = settings.pair if settings.pair != AUTO else default_name(card.bytes)
    models = ModelFolders(settings.data_dir)
    names = dict.fromkeys((meant, *([POCKET] if settings.pair == AUTO else [])))
    for number, name in enumerate(names):
        planned = planned_pair(name, models, drafter_of(settings))
        made = make_plan(card, planned, settings.preset)
        written = write_configurations(folder / str(number), planned)
        yield set_up(tuned(written, settings), made)
