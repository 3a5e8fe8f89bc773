"""The app's engine as those see it who use it: always there, its status can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from chatapp.devices import Device
from chatapp.domain import Card, EngineStatus, Pair, Prompt
from chatapp.engine.client import EngineClient
from chatapp.engine.process.orphans import Orphan
from chatapp.settings import Settings


class AppEngine(Protocol):
    """What ``EngineManager`` offers."""

    @property
    def settings(self) -> Settings: ...

    @property
    def pair(self) -> Pair | None:
        """The pair that runs, or ran last."""

    @property
    def card(self) -> Card | None:
        """The card that the engine took, as it was before the engine took it."""

    @property
    def client(self) -> EngineClient:
        """Raises EngineError when no engine runs."""

    @property
    def api_key(self) -> str: ...

    def status(self) -> EngineStatus: ...

    def prompt(self) -> Prompt:
        """How the target wants a conversation written. Raises PairError or EngineError."""

    def choose(self, **choices: object) -> None:
        """Other settings, such as another pair, from the next start on."""

    async def restart(self) -> None: ...

    @property
    def orphans(self) -> Sequence[Orphan]:
        """Engines that another run of the app left behind."""

    async def end_orphan(self, app: int) -> None: ...

    def aside(self) -> AbstractAsyncContextManager[tuple[Pair, Device]]:
        """It makes room for others, of this pair on this device, and comes back after."""
