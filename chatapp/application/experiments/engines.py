"""Whom an experiment asks: the app's engine between replies, engines of its own, or one that
runs elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from chatapp import locations
from chatapp.application.app_engine import AppEngine
from chatapp.devices import Device
from chatapp.domain import EngineState, EngineStatus, Pair, Prompt, Tree
from chatapp.engine.client import EngineClient
from chatapp.engine.engine import Engine as ElsewhereEngine
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.process.temporary import temporary_engine
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import EngineError, InputError, UsageError
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.quiet import Machine
from chatapp.measure.machine.setting import setting_of
from chatapp.settings import Settings

_POLL_S = 0.1


class ReadyEngine(Protocol):
    """An engine that answers."""

    @property
    def client(self) -> EngineClient: ...

    def status(self) -> EngineStatus: ...


class Engines(Protocol):
    """``machine`` tells whether somebody else uses them meanwhile."""

    @property
    def machine(self) -> Machine: ...

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the person gives every engine."""
        ...

    def setting(self) -> Setting: ...

    def prompt(self) -> Prompt: ...

    def open(self, draft: bool = True) -> AbstractAsyncContextManager[ReadyEngine]:
        """Without ``draft`` an engine that was started without one. Raises EngineError."""
        ...


class AppEngines:
    """The app's engine, whenever no reply is being written."""

    def __init__(
        self, manager: AppEngine, settings: Settings, chatting: Callable[[], bool]
    ) -> None:
        self._manager, self._settings, self._chatting = manager, settings, chatting

    @property
    def machine(self) -> Machine:
        return Machine(self.quiet, self._chatting)

    @property
    def arguments(self) -> tuple[str, ...]:
        return self._settings.engine_args

    def setting(self) -> Setting:
        return setting_of(self._manager.status(), self.arguments)

    def prompt(self) -> Prompt:
        return self._manager.prompt()

    @asynccontextmanager
    async def open(self, draft: bool = True) -> AsyncGenerator[ReadyEngine]:
        if not draft:
            raise ValueError("the app's engine is started with a draft")
        await self.quiet()
        yield self._manager

    @asynccontextmanager
    async def aside(self) -> AsyncGenerator[TemporaryEngines]:
        """It makes room for engines of its pair, and is started again afterwards."""
        await self._no_reply()
        async with self._manager.aside() as (pair, device):
            yield TemporaryEngines(pair, device, self._settings)

    async def quiet(self) -> None:
        """Until no reply is being written and the engine is ready. Raises EngineError when
        it failed, InputError when speculation cannot be switched in it."""
        await self._no_reply()
        while not self._ready():
            await asyncio.sleep(_POLL_S)
            await self._no_reply()
        if not self._manager.status().switch:
            raise InputError("experiments_no_switch")

    async def _no_reply(self) -> None:
        while self._chatting():
            await asyncio.sleep(_POLL_S)

    def _ready(self) -> bool:
        status = self._manager.status()
        if status.state is EngineState.FAILED:
            raise EngineError(status.failure or "engine_failed", **status.failure_values)
        return status.state is EngineState.READY


@dataclass(frozen=True, slots=True)
class ConnectedEngines:
    """An engine that somebody else runs, once it is ready: as it is, and nothing beside it."""

    engine: ElsewhereEngine
    arguments: tuple[str, ...] = ()

    @property
    def machine(self) -> Machine:
        return Machine()

    def setting(self) -> Setting:
        return setting_of(self.engine.status())

    def prompt(self) -> Prompt:
        return self.engine.prompt()

    @asynccontextmanager
    async def open(self, draft: bool = True) -> AsyncGenerator[ReadyEngine]:
        """Raises UsageError without ``draft``, InputError when it cannot be switched."""
        if not draft:
            raise UsageError("bench_elsewhere")
        if not self.engine.status().switch:
            raise InputError("experiments_no_switch")
        yield self.engine


@dataclass(frozen=True, slots=True)
class TemporaryEngines:
    """Engines of one pair that are there while they are asked. ``starting`` is told of each
    before it starts: its pair, and whether it has the draft."""

    pair: Pair
    device: Device
    settings: Settings
    starting: Callable[[Pair, bool], None] = lambda pair, draft: None

    @property
    def machine(self) -> Machine:
        return Machine()

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.settings.engine_args

    def with_tree(self, tree: Tree) -> TemporaryEngines:
        return replace(self, pair=replace(self.pair, tree=tree))

    def setting(self) -> Setting:
        status = LocalEngine(self.pair, self.device, self._log("engine")).status()
        return setting_of(status, self.arguments)

    def prompt(self) -> Prompt:
        return ChatPrompt.of(self.pair)

    @asynccontextmanager
    async def open(self, draft: bool = True) -> AsyncGenerator[ReadyEngine]:
        self.starting(self.pair, draft)
        log = self._log("engine" if draft else "plain")
        async with temporary_engine(self.pair, self.device, log, self.arguments, draft) as engine:
            yield engine

    def _log(self, name: str) -> Path:
        return locations.bench(self.settings.data_dir) / f"{name}.log"
