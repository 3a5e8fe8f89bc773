"""A part of the report: one command's worth, with a limit of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from tests.gpu.bench import Bench
from tests.gpu.row import Row


@dataclass(frozen=True, slots=True)
class Part:
    """``limit_s`` is below ten minutes, so that a machine that is lent for no longer can
    run it; what took longer is cut and said so."""

    name: str
    about: str
    limit_s: int
    rows: Callable[[Bench], AsyncGenerator[Row]]
