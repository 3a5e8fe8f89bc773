"""The app's engine as those see it who use it: always there, its status can be asked."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from chatapp.devices import Device
from chatapp.domain import Card, EngineStatus, Pair, Prompt
from chatapp.engine.client import EngineClient
from chatapp.engine.planning.careful import Setup
from chatapp.settings import Settings


class AppEngine(Protocol):
    """What ``EngineManager`` offers to whoever asks the engine, measures it, or chooses what
    it runs."""

    @property
    def settings(self) -> Settings: ...

    @property
    def setup(self) -> Setup | None:
        """How the engine that runs, or ran last, is set up."""

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

    def aside(self) -> AbstractAsyncContextManager[tuple[Pair, Device]]:
        """It makes room for others, of this pair on this device, and comes back after."""
