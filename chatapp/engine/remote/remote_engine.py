"""An engine of somebody else as the app sees it: connected, watched, let go of.

It is never started or stopped from here. A task asks what it is and can do, then looks again
and again whether it is still there and still the same; one that is lost is looked for until it
is back, so that what waits for it goes on by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx

from chatapp.domain import Elsewhere, EngineState, EngineStatus, Notice, Prompt
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.capabilities import Capabilities, ask, identity
from chatapp.engine.remote.files import prompt_of
from chatapp.engine.remote.gateway import engines_behind
from chatapp.engine.remote.remote_client import RemoteClient, connection, fault
from chatapp.engine.remote.waits import Waits
from chatapp.errors import EngineError, ProductError

LOOK_EVERY_S, RETRY_EVERY_S = 5.0, 2.0
# A stream that is silent for so long while nobody answers has been lost.
SILENT_S = 10.0
_SILENT = ("remote_unreachable", "remote_silent")
_FAULTS = (httpx.HTTPError, ValueError, KeyError, TypeError, IndexError)
_log = logging.getLogger(__name__)


class RemoteEngine:
    """``data_dir`` is where downloaded models lie: the target's files may be here as well."""

    def __init__(self, address: Address, data_dir: Path) -> None:
        self._address, self._data_dir = address, data_dir
        self._identity: tuple[str, int | None] | None = None
        self._known: Capabilities | None = None
        self._prompt: Prompt | None = None
        self._task: asyncio.Task[None] | None = None
        self._look_now, self._waits = asyncio.Event(), Waits()
        elsewhere = Elsewhere(address.host, secure=address.secure)
        self._status = EngineStatus(
            EngineState.STOPPED,
            address.host,
            address=address.url,
            device="",
            switch=False,
            elsewhere=elsewhere,
        )

    async def start(self) -> None:
        """Connects; harmless when that is done already."""
        if self._task is None:
            self._status = replace(self._status, state=EngineState.STARTING)
            self._task = asyncio.create_task(self._watch())

    async def ready(self, timeout: float | None = None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._status.state is EngineState.STARTING:
                    await asyncio.sleep(0.02)
        status = self._status
        if status.state is EngineState.STARTING:
            raise EngineError("remote_silent", host=self._address.host)
        if status.state is not EngineState.READY:
            raise EngineError(status.failure or "engine_not_running", **status.failure_values)

    async def stop(self) -> None:
        """Lets go of it; it runs on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._status = replace(self._status, state=EngineState.STOPPED, failure=None)

    def status(self) -> EngineStatus:
        return self._status

    def pids(self) -> dict[str, int]:
        return {}

    @property
    def client(self) -> RemoteClient:
        known = self._known
        if known is None or self._task is None:
            raise EngineError("engine_not_running")
        uncounted = known.drafter is not None and not known.counts
        return RemoteClient(self._address, uncounted, self._heard, self._waits)

    @property
    def api_key(self) -> str:
        return ""

    def prompt(self) -> Prompt:
        if self._prompt is None:
            raise EngineError("remote_unreachable", host=self._address.host)
        return self._prompt

    async def _watch(self) -> None:
        async with httpx.AsyncClient(**connection(self._address)) as client:
            while True:
                try:
                    await self._look(client)
                except ProductError as error:
                    self._lose(error)
                except _FAULTS as error:
                    self._lose(fault(error, self._address))
                with suppress(TimeoutError):  # not wait_for, which can lose a cancellation
                    there = self._status.state is EngineState.READY
                    async with asyncio.timeout(LOOK_EVERY_S if there else RETRY_EVERY_S):
                        await self._look_now.wait()
                self._look_now.clear()

    async def _look(self, client: httpx.AsyncClient) -> None:
        """All is asked anew where anything may have changed."""
        answer = await client.get("/v1/models", timeout=SILENT_S)
        models = answer.raise_for_status().json()
        same, self._identity = identity(models) == self._identity, identity(models)
        if same and self._status.state is EngineState.READY:
            return
        behind = await engines_behind(client, self._address)
        found = await ask(client, behind)
        if self._known is None or self._known.what != found.what:
            places = behind or [self._address]
            self._prompt = await asyncio.to_thread(prompt_of, places, found, self._data_dir)
        self._take(found)

    def _take(self, found: Capabilities) -> None:
        notice, self._known = self._notice(found), found
        assert self._status.elsewhere is not None
        self._status = replace(
            self._status,
            state=EngineState.READY,
            failure=None,
            failure_values={},
            pair_name=found.model,
            tree=found.tree,
            drafter=found.drafter,
            dtype=found.dtype,
            device=found.device,
            switch=found.switch.available,
            switch_reason=found.switch.reason,
            simulated_accept_length=found.simulated_accept_length,
            elsewhere=replace(
                self._status.elsewhere,
                machine=found.machine,
                version=found.version,
                context_length=found.context_length,
                counts=found.counts,
                notice=notice or self._status.elsewhere.notice,
            ),
        )

    def _notice(self, found: Capabilities) -> Notice | None:
        """What is another than before."""
        before = self._known
        if before is None:
            return None
        if before.what != found.what:
            return _notice("other_engine", before=before.model, now=found.model)
        return _notice("restarted" if before.run != found.run else "back")

    def _lose(self, error: ProductError) -> None:
        if error.key in _SILENT:
            self._waits.give_up(SILENT_S)
        if self._status.state is EngineState.READY:
            _log.warning("the engine elsewhere was lost: %s", error)
        self._status = replace(
            self._status,
            state=EngineState.FAILED,
            failure=error.key,
            failure_values=error.values,
        )

    def _heard(self, key: str) -> None:
        """From a stream: it failed, so the connection is looked at, or it was held back."""
        if key == "remote_starting":
            self._identity = None  # a gateway goes on naming the model of engines that are gone
        if key != "held_back":
            self._look_now.set()
        elif self._status.elsewhere is not None:
            told = replace(self._status.elsewhere, notice=_notice(key))
            self._status = replace(self._status, elsewhere=told)


@asynccontextmanager
async def connected(address: Address, data_dir: Path) -> AsyncGenerator[RemoteEngine]:
    """Ready inside the ``async with``. Raises EngineError when it does not get there."""
    engine = RemoteEngine(address, data_dir)
    try:
        await engine.start()
        await engine.ready()
        yield engine
    finally:
        await engine.stop()


def _notice(key: str, **values: str) -> Notice:
    return Notice(key, time.time(), values)
