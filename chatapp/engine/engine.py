"""What the rest of the app may ask of an engine, be it one of its own or somebody else's."""

from __future__ import annotations

from typing import Protocol

from chatapp.domain import EngineStatus, Prompt
from chatapp.engine.client import EngineClient


class Engine(Protocol):
    """``start`` returns at once, ``ready`` once a generation has succeeded."""

    async def start(self) -> None: ...

    async def ready(self, timeout: float | None = None) -> None:
        """Raises EngineError when it failed or did not get there in ``timeout`` seconds."""

    async def stop(self) -> None:
        """One of our own ends; one of somebody else's is let go of."""

    def status(self) -> EngineStatus: ...

    def pids(self) -> dict[str, int]:
        """Name → pid of its processes on this machine."""

    @property
    def client(self) -> EngineClient:
        """Raises EngineError when there is nobody to ask."""

    @property
    def api_key(self) -> str:
        """What other clients need for ``status().address``; empty where it is not ours."""

    def prompt(self) -> Prompt:
        """Raises PairError, or EngineError where only the engine knows and does not answer."""
