"""What the app asks of a drafter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from chatapp.domain import Pair, Tree
from chatapp.pairs.files.shapes import DraftShape
from chatapp.pairs.fit.finding import Finding


class Drafter(ABC):
    """``name`` is SGLang's for it. With ``weights`` it is a model of its own, made for one
    target, in a folder: ``Pair.draft``. ``tree`` is taken where a pair names none,
    ``trees`` are those that ``bench tune`` races."""

    name: ClassVar[str]
    weights: ClassVar[bool]
    tree: ClassVar[Tree]
    trees: ClassVar[tuple[Tree, ...]]

    @abstractmethod
    def flags(self, pair: Pair) -> list[str]:
        """The engine's flags beside the algorithm."""

    @abstractmethod
    def findings(self, pair: Pair, target: Mapping[str, Any]) -> Iterator[Finding]:
        """What is to be said of it beside this target, the most important first;
        ``target`` is the target's configuration."""

    @abstractmethod
    def shape(self, pair: Pair) -> DraftShape:
        """What it takes of the memory, for the plan; ``NO_DRAFT``: nothing. Raises KeyError,
        TypeError or ValueError when its configuration is damaged."""
