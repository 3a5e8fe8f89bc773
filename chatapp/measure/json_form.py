"""Frozen data from the JSON that it was kept as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a dataclass's fields: JSON has lists where they are tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
    }
