"""What a benchmark in the terminal measures: engines of the settings' pair, with the tree
that was asked for, and what is said while they start."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace

from chatapp.application.chosen_pair import find_pair
from chatapp.application.experiments.engines import TemporaryEngines
from chatapp.devices import engine_device
from chatapp.domain import Pair, Tree
from chatapp.errors import UsageError
from chatapp.settings import Settings


def measured(
    arguments: Namespace, settings: Settings, say: Callable[..., None] = lambda key, **values: None
) -> TemporaryEngines:
    """``say`` is told ``starting`` before each engine. Raises PairError, or UsageError for a
    tree that is none."""
    pair = find_pair(settings)
    if wanted := getattr(arguments, "tree", None):
        try:
            pair = replace(pair, tree=Tree.parse(wanted))
        except ValueError as error:
            raise UsageError("bench_tree", tree=wanted) from error

    def starting(started: Pair, draft: bool) -> None:
        say("starting", pair=started.name, tree=started.tree if draft else "–")

    return TemporaryEngines(pair, engine_device(settings), settings, starting)
