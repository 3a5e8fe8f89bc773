"""The shapes of any pair, for the memory plan: from the catalogue, or from its files."""

from __future__ import annotations

from dataclasses import replace

from chatapp.domain import Pair
from chatapp.errors import PairError
from chatapp.pairs.catalogue import KnownPair, known_pairs
from chatapp.pairs.drafters import DRAFTERS
from chatapp.pairs.files.configuration import configuration
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.files.shapes import NO_DRAFT, PlannedPair, TargetShape
from chatapp.pairs.locate import locate


def planned_pair(name: str, models: ModelFolders, drafter: str | None = None) -> PlannedPair:
    """Raises PairError when it is not known and not here either."""
    known = known_pairs().get(name)
    if known is None or known_is_here(known, models):
        return planned(locate(name, models, drafter))
    return _known(known, drafter)


def planned_known(drafter: str | None = None) -> list[PlannedPair]:
    return [_known(known, drafter) for known in known_pairs().values()]


def planned(pair: Pair) -> PlannedPair:
    """From the configurations of a pair that is here."""
    try:
        target = TargetShape.from_config(configuration(pair.target))
        draft = DRAFTERS[pair.drafter].shape(pair)
    except (KeyError, TypeError, ValueError):
        raise PairError("pair_file_damaged", path=pair.target / "config.json") from None
    dtype = pair.dtype if pair.dtype in ("float16", "bfloat16") else "float16"
    about = pair.tree, dtype, pair.context_length, pair.drafter
    return PlannedPair(pair.name, target, draft, *about)


def known_is_here(known: KnownPair, models: ModelFolders) -> bool:
    return all(models.find(model) for model in (known.target, known.draft))


def _known(known: KnownPair, drafter: str | None) -> PlannedPair:
    made = PlannedPair(
        known.name,
        known.target_shape,
        known.draft_shape,
        known.tree,
        known.dtype,
        known.context_length,
        known.drafter,
    )
    if drafter is None or DRAFTERS[drafter].weights:
        return made
    return replace(made, draft=NO_DRAFT, tree=DRAFTERS[drafter].tree, drafter=drafter)
