"""What the page needs from the other rooms, as it needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chatapp.chat.store import Store
from chatapp.chat.turns import Turns
from chatapp.domain import EngineStatus
from chatapp.ui.lab import Lab
from chatapp.ui.monitor import Monitor
from chatapp.ui.shelf import Shelf


class PageEngine(Protocol):
    def status(self) -> EngineStatus: ...

    async def restart(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    engine: PageEngine
    turns: Turns
    monitor: Monitor
    lab: Lab
    shelf: Shelf | None = None
