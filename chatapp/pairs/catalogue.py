"""The pairs that are known by name, from ``assets/pairs.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from chatapp import locations
from chatapp.domain import Tree
from chatapp.pairs.files.shapes import DRAFT_FEATURES, AttentionShape, DraftShape, TargetShape
from chatapp.units import GIB

POCKET = "pocket"
# A card that is sold as 16 GB says that it has a little less.
_SOLD_SHORT = 0.97


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A pair that can be downloaded: its sources, how it runs best, its shapes.

    ``card_gb``: with that much video memory it is the one to start with; None: never.
    """

    name: str
    title: str
    target: str
    draft: str
    tree: Tree
    dtype: str
    context_length: int
    target_shape: TargetShape
    draft_shape: DraftShape
    card_gb: int | None = None
    drafter: str = "EAGLE3"
    draft_config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def download_bytes(self) -> int:
        """About what the download weighs; the exact sizes come from the source."""
        target = self.target_shape.weight_bytes(self.dtype)
        return target + self.draft_shape.weight_bytes(self.dtype)

    @property
    def download_minutes(self) -> int:
        """At 100 Mbit/s, as something to go by before anything has arrived."""
        return max(1, round(self.download_bytes * 8 / 100e6 / 60))


@lru_cache
def known_pairs() -> Mapping[str, KnownPair]:
    """Name → pair, in the order of the file; without the pocket pair, which is here."""
    with (locations.assets() / "pairs.toml").open("rb") as file:
        entries = tomllib.load(file)
    return {name: _known(name, said) for name, said in entries.items() if "target" in said}


def names() -> tuple[str, ...]:
    return (*known_pairs(), POCKET)


def default_name(card_bytes: int | None) -> str:
    """The pair to start with on a card of this size: the largest that it is meant for."""
    fitting = [
        pair
        for pair in known_pairs().values()
        if pair.card_gb is not None and (card_bytes or 0) >= pair.card_gb * GIB * _SOLD_SHORT
    ]
    return max(fitting, key=lambda pair: pair.card_gb or 0).name if fitting else POCKET


def _known(name: str, said: dict[str, Any]) -> KnownPair:
    plain = {k: v for k, v in said.items() if k not in ("tree", "target_shape", "draft_shape")}
    target = _target(said["target_shape"])
    return KnownPair(
        name=name,
        tree=Tree.parse(said["tree"]),
        target_shape=target,
        draft_shape=_draft(said["draft_shape"], target),
        **plain,
    )


def _target(said: dict[str, Any]) -> TargetShape:
    plain = {k: v for k, v in said.items() if k not in ("heads", "kv_heads", "head_dim")}
    return TargetShape(attention=_attention(said), **plain)


def _draft(said: dict[str, Any], target: TargetShape) -> DraftShape:
    plain = {k: v for k, v in said.items() if k not in ("heads", "kv_heads", "head_dim")}
    defaults = {"target_hidden": target.hidden, "features": DRAFT_FEATURES}
    return DraftShape(attention=_attention(said), **(defaults | plain))


def _attention(said: dict[str, Any]) -> AttentionShape:
    return AttentionShape(heads=said["heads"], kv_heads=said["kv_heads"], head_dim=said["head_dim"])
