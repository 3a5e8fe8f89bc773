"""What the page's script sends with an action. Anything may stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from chatapp.errors import ProductError

T = TypeVar("T")
D = TypeVar("D")


class Payload:
    """Values by name, each asked for by its type."""

    def __init__(self, values: object) -> None:
        self._values = values if isinstance(values, Mapping) else {}

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, otherwise: str = "") -> str:
        """A number as it is written; ``otherwise`` where there is neither text nor number."""
        value = self._values.get(name)
        return str(value) if isinstance(value, str | int | float) else otherwise

    def number(self, name: str) -> int:
        """Raises ProductError when there is none: our own page always sends it."""
        try:
            return int(self._values[name])
        except (KeyError, TypeError, ValueError):
            raise ProductError("page_failed") from None

    def number_or_none(self, name: str) -> int | None:
        value = self._values.get(name)
        return value if isinstance(value, int) else None

    def one_of(self, name: str, choices: Sequence[T], otherwise: D) -> T | D:
        """That of ``choices`` which reads like the value."""
        told = self.text(name)
        return next((choice for choice in choices if str(choice) == told), otherwise)
