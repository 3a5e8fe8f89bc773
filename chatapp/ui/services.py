"""What the page needs from the other rooms, as it needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chatapp.chat.store import Store
from chatapp.chat.turns import Turns
from chatapp.domain import EngineStatus, MemorySample
from chatapp.ui.lab import Lab
from chatapp.ui.shelf import Shelf


class PageEngine(Protocol):
    def status(self) -> EngineStatus: ...

    async def restart(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """``sample`` reads the memory of the machine; cheap, once a second."""

    store: Store
    engine: PageEngine
    turns: Turns
    sample: Callable[[], MemorySample]
    lab: Lab
    shelf: Shelf | None = None
