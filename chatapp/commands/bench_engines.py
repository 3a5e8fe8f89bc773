"""What a benchmark in the terminal measures: an engine elsewhere, or engines of the settings'
pair with the tree that was asked for; and what is said while they start."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from chatapp.application.chosen_pair import find_pair
from chatapp.application.experiments.engines import ConnectedEngines, Engines, TemporaryEngines
from chatapp.chat.choices import with_choices
from chatapp.devices import engine_device
from chatapp.domain import Pair, Tree
from chatapp.engine.remote.address import address_of
from chatapp.engine.remote.remote_engine import connected
from chatapp.errors import UsageError
from chatapp.settings import Settings

Say = Callable[..., None]


def _silent(key: str, **values: object) -> None:
    """Says nothing."""


@asynccontextmanager
async def measured(arguments: Namespace, settings: Settings, say: Say) -> AsyncGenerator[Engines]:
    """``say`` is told ``elsewhere`` or, before each engine of our own, ``starting``."""
    address = address_of(with_choices(settings))
    own = getattr(arguments, "tree", None) or getattr(arguments, "baseline", "off") == "plain"
    if address is None or own:
        yield own_engines(arguments, settings, say)
        return
    async with connected(address, settings.data_dir) as engine:
        say("elsewhere", model=engine.status().pair_name, host=address.host)
        yield ConnectedEngines(engine)


def own_engines(arguments: Namespace, settings: Settings, say: Say = _silent) -> TemporaryEngines:
    """Raises PairError, or UsageError for a tree that is none and where the settings name an
    engine elsewhere."""
    if with_choices(settings).engine_url is not None:
        raise UsageError("bench_elsewhere")
    pair = find_pair(settings)
    if wanted := getattr(arguments, "tree", None):
        try:
            pair = replace(pair, tree=Tree.parse(wanted))
        except ValueError as error:
            raise UsageError("bench_tree", tree=wanted) from error

    def starting(started: Pair, draft: bool) -> None:
        say("starting", pair=started.name, tree=started.tree if draft else "–")

    return TemporaryEngines(pair, engine_device(settings), settings, starting)
