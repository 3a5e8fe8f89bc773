"""The pair that a benchmark measures: the settings' one, with the tree that was asked for."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace

from chatapp.domain import Pair, Tree
from chatapp.engine.planning.planner import find_pair
from chatapp.errors import UsageError
from chatapp.settings import Settings


def measured_pair(arguments: Namespace, settings: Settings) -> Pair:
    """Raises PairError, or UsageError for a tree that is none."""
    pair = find_pair(settings)
    if wanted := getattr(arguments, "tree", None):
        try:
            return replace(pair, tree=Tree.parse(wanted))
        except ValueError as error:
            raise UsageError("bench_tree", tree=wanted) from error
    return pair
