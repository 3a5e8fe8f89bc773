"""What the page needs from the other rooms, as it needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chatapp.application.experiments.experiments import Experiments
from chatapp.application.model_manager import ModelManager
from chatapp.application.monitor import Monitor
from chatapp.chat.store import Store
from chatapp.chat.turns import Turns
from chatapp.domain import EngineStatus
from chatapp.engine.process.orphans import Orphan


class PageEngine(Protocol):
    def status(self) -> EngineStatus: ...

    async def restart(self) -> None: ...

    @property
    def orphans(self) -> Sequence[Orphan]: ...

    async def end_orphan(self, app: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    store: Store
    engine: PageEngine
    turns: Turns
    monitor: Monitor
    lab: Experiments
    shelf: ModelManager | None = None
