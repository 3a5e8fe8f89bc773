"""One kill: several tabs stream, one process is killed, and what is left is looked at."""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from chatapp import locations
from chatapp.engine.process.orphans import find_orphans
from chatapp.engine.process.pidfile import Pidfile
from tests.browser.conftest import App, start_app
from tests.soaking import disk, processes
from tests.soaking.tab import Tab
from tests.soaking.talk import Talk

KINDS = ("app", "app", *processes.ENGINE)  # the app has most to lose
TABS = 3
GONE_WITHIN_S = 5.0
READY_WITHIN_S = 600.0


@dataclass
class Record:
    """What one kill did. ``messages`` had been sent, ``shown`` letters of their replies had
    reached a tab; of these ``lost`` and ``ahead`` are on no disk. ``gone_s``: until all of
    what had to go was gone, ``left`` what was not. ``again``: how the page or the engine came
    back, ``back_s``: after how long."""

    number: int
    kind: str
    after_s: float = 0.0
    streaming: int = 0
    messages: int = 0
    lost: int = 0
    shown: int = 0
    ahead: int = 0
    gone_s: float = 0.0
    left: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    again: str = ""
    back_s: float = 0.0
    load: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.ahead or self.left or self.faults or self.wrong)


class Soak:
    """One app on ``data_dir`` over any number of kills. What each of them does follows from
    ``seed`` and its number, but for what the machine makes of it. ``engine``: the app uses
    this one, which runs elsewhere, and is then all there is to be killed."""

    def __init__(self, data_dir: Path, seed: int, engine: Pidfile | None = None) -> None:
        self._data_dir, self._seed = data_dir, seed
        self._store = locations.store(data_dir)
        self._app: App | None = None
        self._kinds, self._flags, self._key = KINDS, (), {}
        if engine is not None:
            self._kinds, self._flags = ("app",), ("--engine-url", engine.address)
            self._key = {"EAGLECHAT_ENGINE_KEY": engine.api_key}

    async def kill(self, number: int, kind: str | None = None) -> Record:
        rng = random.Random(f"{self._seed} {number}")
        record = Record(number, kind or rng.choice(self._kinds))
        app = await self._page()
        await asyncio.to_thread(app.wait, "ready", READY_WITHIN_S)
        tabs = [Tab(app.door) for _ in range(TABS)]
        talk = Talk(tabs, rng)
        try:
            await talk.begin()
            await self._some_moment(record, rng, talk)
            await self._strike(record, app)
            if record.kind == "app":
                await talk.end()
                self._compare(record, tabs)
                await self._open_again(record, tabs)
            else:
                await self._come_back(record, app)
                await talk.end()
                self._compare(record, tabs)
                await self._write_again(record, tabs)
            record.faults = disk.faults(self._store)
        finally:
            await talk.end()
        return record

    def stop(self) -> None:
        if self._app is not None:
            self._app.stop()

    async def _page(self) -> App:
        if self._app is None or self._app.process.poll() is not None:
            start = partial(start_app, self._data_dir, *self._flags, **self._key)
            self._app = await asyncio.to_thread(start)
        return self._app

    async def _some_moment(self, record: Record, rng: random.Random, talk: Talk) -> None:
        """Some time into it, while a reply is being written."""
        began = time.monotonic()
        await asyncio.sleep(rng.uniform(0.5, 5))
        while not talk.streaming:
            assert time.monotonic() - began < READY_WITHIN_S, "no reply is written"
            await asyncio.sleep(0.002)
        await asyncio.sleep(rng.uniform(0, 0.3))
        talk.last_words()
        record.after_s, record.streaming = time.monotonic() - began, talk.streaming
        record.load = os.getloadavg()[0]

    async def _strike(self, record: Record, app: App) -> None:
        found = processes.named(app.process.pid)
        ending = processes.below(found["app" if record.kind == "app" else "reaper"])
        began = time.monotonic()
        found[record.kind].kill()
        wait = asyncio.to_thread(processes.wait_gone, ending, began, GONE_WITHIN_S)
        record.gone_s, record.left = await wait
        if record.kind == "app":
            await asyncio.to_thread(app.process.wait, READY_WITHIN_S)
        for orphan in find_orphans():  # found another way, by what is in their environment
            if orphan.app.pid == app.process.pid:
                record.left += map(str, orphan.pids)

    def _compare(self, record: Record, tabs: list[Tab]) -> None:
        """What the tabs have seen with what is on disk."""
        for tab in tabs:
            kept = disk.turns(self._store, tab.conversation) if tab.conversation else []
            for at, (sent, shown) in enumerate(zip(tab.sent, tab.shown, strict=True)):
                turn = kept[at] if at < len(kept) else None
                on_disk = turn.letters if turn else ""
                record.messages += 1
                record.lost += turn is None or turn.sent != sent
                record.shown += len(shown)
                record.ahead += len(shown) - len(os.path.commonprefix([shown, on_disk]))

    async def _open_again(self, record: Record, tabs: list[Tab]) -> None:
        """After a restart the page shows what is on disk, and nothing is still written."""
        began = time.monotonic()
        app = await self._page()
        record.again, record.back_s = "started anew", time.monotonic() - began
        for old in tabs:
            if old.conversation is None:
                continue
            tab = Tab(app.door)
            await tab.open(old.conversation)
            kept = disk.turns(self._store, old.conversation)
            if [reply.letters for reply in tab.settled] != [turn.letters for turn in kept]:
                record.wrong.append(f"{old.conversation} is shown otherwise than it is kept")
            if bad := {turn.state for turn in kept} - {"finished", "stopped", "failed"}:
                record.wrong.append(f"{old.conversation} has replies that are {', '.join(bad)}")
            await tab.close()

    async def _come_back(self, record: Record, app: App) -> None:
        """By itself, or after it was asked to where that is offered."""
        began = time.monotonic()
        while True:
            news = await asyncio.to_thread(app.pulse)
            if "is-ready" in news["foot"]:
                break
            if "is-failed" in news["foot"] and 'data-act="restart"' in news["card"]:
                record.again = "offered"
                await _restart(app)
            if time.monotonic() - began > READY_WITHIN_S:
                record.wrong.append("the engine did not come back")
                break
            await asyncio.sleep(0.2)
        record.again = record.again or "by itself"
        record.back_s = time.monotonic() - began

    async def _write_again(self, record: Record, tabs: list[Tab]) -> None:
        """A reply that broke off is offered again, and comes whole."""
        for tab in tabs:
            if not tab.settled or tab.settled[-1].state != "failed":
                continue
            if 'data-act="retry"' not in tab.panes["transcript"]:
                record.wrong.append(f"{tab.conversation} does not offer the reply again")
            again = Tab(tab.door)
            await again.open(tab.conversation)
            async for _ in again.act("retry"):
                pass
            if (state := again.settled[-1].state) != "finished":
                record.wrong.append(f"{tab.conversation} written again is {state}")
            await again.close()


async def _restart(app: App) -> None:
    tab = Tab(app.door)
    await tab.open()
    async for _ in tab.act("restart"):
        pass
    await tab.close()
