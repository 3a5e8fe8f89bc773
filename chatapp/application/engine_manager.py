"""The app's engine over the app's whole life: there or not, its status can be asked.

Each start looks for the pair anew, so what was repaired on disk meanwhile is taken up;
what stands in the way becomes the status, in words, and never an exception for the page.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from chatapp import locations
from chatapp.application.chosen_pair import find_pair
from chatapp.devices import Device, engine_device
from chatapp.domain import Card, EngineState, EngineStatus, Pair
from chatapp.engine.planning.planner import look
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import EngineError, ProductError
from chatapp.pairs.choice import start_name
from chatapp.pairs.files.folders import ModelFolders
from chatapp.settings import Settings

_log = logging.getLogger(__name__)


class EngineManager:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: LocalEngine | None = None
        self._failure: ProductError | None = None
        self._starting = self._ending = False
        self._busy = asyncio.Lock()
        self._prompt: ChatPrompt | None = None
        self._pair: Pair | None = None
        self._card: Card | None = None

    async def start(self) -> None:
        async with self._busy:
            await self._try_to_start()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[tuple[Pair, Device]]:
        """The engine makes room for others, one after the other, of this pair on this
        device. It is started again afterwards as it was, whatever happens."""
        async with self._busy:
            pair = await asyncio.to_thread(find_pair, self._settings)
            device = await asyncio.to_thread(engine_device, self._settings)
            try:
                if self._engine is not None:
                    await self._engine.stop()
                yield pair, device
            finally:
                if not self._ending:
                    await self._try_to_start()

    async def _try_to_start(self) -> None:
        self._failure, self._starting = None, True
        try:
            await self._start()
        except ProductError as error:
            self._failure = error
        except OSError as error:
            self._failure = EngineError("engine_cannot_start", reason=error)
        finally:
            self._starting = False
        if self._failure is not None:
            _log.error("the engine cannot be started: %s", self._failure)

    async def end(self) -> None:
        """Stop for good: what runs in the engine's place does not bring it back."""
        self._ending = True
        await self.stop()

    async def stop(self) -> None:
        async with self._busy:
            if self._engine is not None:
                await self._engine.stop()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def status(self) -> EngineStatus:
        if self._failure is not None:
            return EngineStatus(
                EngineState.FAILED,
                self._name(),
                failure=self._failure.key,
                failure_values=self._failure.values,
            )
        if self._engine is None:
            state = EngineState.STARTING if self._starting else EngineState.STOPPED
            return EngineStatus(state, self._name())
        status = self._engine.status()
        if self._starting and status.state in (EngineState.STOPPED, EngineState.FAILED):
            return replace(status, state=EngineState.STARTING, failure=None, failure_values={})
        return status

    @property
    def client(self) -> Any:
        """Raises EngineError when no engine runs."""
        if self._engine is None:
            raise EngineError("engine_not_running")
        return self._engine.client

    def _name(self) -> str:
        """Of the pair that is or would be started."""
        if self._settings.pair != "auto":
            return self._settings.pair
        return start_name(self._settings, ModelFolders(self._settings.data_dir))

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def pair(self) -> Pair | None:
        """The pair that runs, or ran last."""
        return self._pair

    @property
    def card(self) -> Card | None:
        """The card that the engine took, as it was before the engine took it."""
        return self._card

    @property
    def api_key(self) -> str:
        return self._engine.api_key if self._engine else ""

    def choose(self, **choices: object) -> None:
        """Other settings, such as another pair, from the next start on."""
        self._settings = self._settings.model_copy(update=choices)

    def pids(self) -> dict[str, int]:
        return self._engine.pids() if self._engine else {}

    def prompt(self) -> ChatPrompt:
        """How the target wants a conversation written. Raises PairError."""
        if self._prompt is None:
            pair = self._pair or find_pair(self._settings)
            usable = pair.context_length - pair.tree.reserved_tokens
            self._prompt = ChatPrompt(pair.target, usable)
        return self._prompt

    async def _start(self) -> None:
        self._card = await asyncio.to_thread(look, self._settings)
        pair = await asyncio.to_thread(find_pair, self._settings, self._card)
        self._pair, self._prompt = pair, None
        device = await asyncio.to_thread(engine_device, self._settings)
        log = locations.engine_log(self._settings.data_dir)
        self._engine = LocalEngine(pair, device, log, self._settings.engine_args)
        await self._engine.start()
        await asyncio.to_thread(self.prompt)
