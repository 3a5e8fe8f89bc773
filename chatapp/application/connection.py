"""The engine that somebody else runs, as a person chooses it on the page: connected to, kept
for the next start, let go of again."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from chatapp.application.app_engine import AppEngine
from chatapp.domain import EngineStatus
from chatapp.engine.remote.address import keep_key
from chatapp.errors import InputError
from chatapp.settings import engine_address


class Connection:
    """``keep`` remembers a choice; a key is kept apart, for its owner's eyes alone."""

    def __init__(self, engine: AppEngine, keep: Callable[[str, str | None], None]) -> None:
        self._engine, self._keep = engine, keep

    @property
    def url(self) -> str:
        return self._engine.settings.engine_url or ""

    def status(self) -> EngineStatus:
        return self._engine.status()

    async def connect(self, url: str, key: str) -> None:
        """Without ``key`` the one that is known for this address goes on to be used; none goes
        to another one. Raises InputError for what is no address."""
        try:
            address = engine_address(url)
        except ValueError as error:
            raise InputError("engine_url", url=url, form=error) from error
        if key or address != self.url:
            keep_key(self._engine.settings.data_dir, address, key)
            secret = SecretStr(key) if key else None
            self._engine.choose(engine_url=address, engine_key=secret, engine_key_file=None)
        self._keep("engine_url", address)
        await self._engine.restart()

    async def disconnect(self) -> None:
        """Back to an engine on this machine; the key is forgotten."""
        keep_key(self._engine.settings.data_dir, "", "")
        self._engine.choose(engine_url=None, engine_key=None, engine_key_file=None)
        self._keep("engine_url", None)
        await self._engine.restart()
