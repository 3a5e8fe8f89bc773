"""What a memory plan is made of: rows of bytes, and notes in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """One thing that takes memory: ``plan.rows.KEY`` names it, ``plan.sources.KEY`` with
    ``values`` says where it comes from."""

    key: str
    bytes: int
    estimated: bool = False
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """A reason or an advice: ``plan.notes.KEY``."""

    key: str
    values: Mapping[str, str] = field(default_factory=dict)
