"""The app's engine over the app's whole life: there or not, its status can be asked.

Each start looks for the pair anew, so what was repaired on disk meanwhile is taken up;
what stands in the way becomes the status, in words, and never an exception for the page.
One that breaks is started again by itself, as ``Recovery`` decides.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from chatapp import locations
from chatapp.application.chosen_pair import find_pair, find_setup
from chatapp.application.recovery import Recovery
from chatapp.devices import Device, engine_device
from chatapp.domain import Card, Caution, EngineState, EngineStatus, Pair, Prompt
from chatapp.engine.client import EngineClient
from chatapp.engine.engine import Engine
from chatapp.engine.planning.careful import Setup, cautions
from chatapp.engine.planning.planner import look
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.process.orphans import Orphan, end, left_behind
from chatapp.engine.prompt import ChatPrompt
from chatapp.engine.remote.address import address_of
from chatapp.engine.remote.remote_engine import RemoteEngine
from chatapp.errors import EngineError, InputError, ProductError
from chatapp.pairs.choice import start_name
from chatapp.pairs.files.folders import ModelFolders
from chatapp.settings import Settings

POLL_S = 0.2
_log = logging.getLogger(__name__)


class EngineManager:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._failure: ProductError | None = None
        self._starting = self._ending = False
        self._busy = asyncio.Lock()
        self._recovery = Recovery()
        self._broken: EngineStatus | None = None
        self._setup: Setup | None = None
        self._orphans: tuple[Orphan, ...] = ()
        self._card: Card | None = None

    async def start(self) -> None:
        async with self._busy:
            self._recovery.asked()
            self._broken = None
            await self._try_to_start()

    async def watch(self, tell: Callable[[EngineStatus], None]) -> None:
        """Looks after an engine that breaks, until it is cancelled. ``tell`` is called once
        for each time: STARTING where it is started again, else FAILED."""
        while True:
            await asyncio.sleep(POLL_S)
            if self._engine is None or self._busy.locked():
                continue
            status = self._engine.status()
            state = EngineState.STOPPED if status.elsewhere else status.state
            if state is EngineState.READY:
                self._broken = None
                self._recovery.ready(time.monotonic())
            elif state is EngineState.FAILED and self._broken is None:
                await self._recover()
                tell(self.status())

    async def _recover(self) -> None:
        async with self._busy:
            broken, self._broken = self._engine, self.status()
            if broken and not self._ending and self._recovery.broke(time.monotonic()):
                self._starting = True
                await broken.stop()  # its last processes hold memory, and its files their names
                await self._try_to_start()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[tuple[Pair, Device]]:
        """The engine makes room for others, one after the other, of this pair on this
        device. It is started again afterwards as it was, whatever happens. Raises InputError
        where it runs elsewhere: it is not for us to stop it."""
        if self._settings.engine_url is not None:
            raise InputError("engine_is_elsewhere")
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
        status, broken = self._engine.status(), self._broken
        status = replace(status, careful=self._setup.cautions if self._setup else ())
        if self._starting and status.state in (EngineState.STOPPED, EngineState.FAILED):
            status = replace(status, state=EngineState.STARTING, failure=None, failure_values={})
        if broken is None and status.state is EngineState.FAILED and self._comes_back():
            return replace(status, state=EngineState.STARTING)
        if broken is not None and status.state is EngineState.STARTING:
            return replace(status, failure=broken.failure, failure_values=broken.failure_values)
        if broken is not None and status.state is EngineState.FAILED:
            return replace(status, offers=self._offers(broken))
        return status

    def _comes_back(self) -> bool:
        """It has broken this moment, and is going to be started again."""
        return not self._ending and self._recovery.comes_back(time.monotonic())

    def _offers(self, broken: EngineStatus) -> tuple[Caution, ...]:
        if self._setup is None or broken.failure is None:
            return ()
        return cautions(broken.failure, self._setup.pair, self._card, self._setup.cautions)

    @property
    def orphans(self) -> tuple[Orphan, ...]:
        """Engines of other runs that were there when ours was started, and still are."""
        return tuple(orphan for orphan in self._orphans if orphan.pids)

    async def end_orphan(self, app: int) -> None:
        """That of the app which had this process number."""
        for orphan in self.orphans:
            if orphan.app.pid == app:
                await asyncio.to_thread(end, orphan)

    @property
    def client(self) -> EngineClient:
        """Raises EngineError when no engine runs."""
        if self._engine is None:
            raise EngineError("engine_not_running")
        return self._engine.client

    def _name(self) -> str:
        """Of the pair that is or would be started; of an engine elsewhere its address."""
        if self._settings.engine_url is not None:
            return self._settings.engine_url
        if self._settings.pair != "auto":
            return self._settings.pair
        return start_name(self._settings, ModelFolders(self._settings.data_dir))

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def pair(self) -> Pair | None:
        """The pair that runs, or ran last."""
        return self._setup.pair if self._setup else None

    @property
    def setup(self) -> Setup | None:
        """How it was started, with the person's arguments and those of the cautions."""
        return self._setup

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

    def prompt(self) -> Prompt:
        """How the target wants a conversation written. Raises PairError, or EngineError where
        only an engine elsewhere knows and does not answer."""
        if self._engine is not None:
            return self._engine.prompt()
        if self._settings.engine_url is not None:
            raise EngineError("engine_not_running")
        return ChatPrompt.of(find_pair(self._settings))

    async def _start(self) -> None:
        self._orphans = await asyncio.to_thread(left_behind)
        self._engine = self._connect() or await self._launch()
        await self._engine.start()

    def _connect(self) -> Engine | None:
        """Where the settings name an engine elsewhere."""
        address = address_of(self._settings)
        if address is None:
            return None
        self._setup = self._card = None
        return RemoteEngine(address, self._settings.data_dir)

    async def _launch(self) -> Engine:
        self._card = await asyncio.to_thread(look, self._settings)
        device = await asyncio.to_thread(engine_device, self._settings)
        setup = await asyncio.to_thread(find_setup, self._settings, self._card)
        log, self._setup = locations.engine_log(self._settings.data_dir), setup
        engine = LocalEngine(setup.pair, device, log, setup.arguments, setup.speculation)
        await asyncio.to_thread(engine.prompt)
        return engine
