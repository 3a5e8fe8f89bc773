"""What each tab sees and what happens when a person does something. Knows no Gradio.

Every action is an async generator of *views*: new contents for some of the panes. An
action that shows a conversation in which a reply is being written goes on to follow it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from chatapp.application.services import Services
from chatapp.chat.choices import keep_caution
from chatapp.domain import SpeculationMode
from chatapp.engine.planning import careful
from chatapp.errors import ProductError, StoreError
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts, nearest_language, system_language
from chatapp.ui import models_page
from chatapp.ui.experiments_page import ExperimentsPage
from chatapp.ui.payload import Payload
from chatapp.ui.tab_views import TabViews, Views
from chatapp.ui.tabs import WINDOW, Tab, Tabs
from chatapp.ui.view_builder import View, speculation

THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a person can do. ``queued`` False: it must not wait behind others, and
    gives one view."""

    handle: Callable[[Tab, Payload], Views]
    queued: bool = True


_log = logging.getLogger(__name__)


class Page:
    def __init__(self, services: Services, settings: Settings) -> None:
        self.services = services
        self._settings = settings
        self._tabs = Tabs()
        self._live = services.replies
        self._experiments = ExperimentsPage(services.store, services.experiments, settings)
        self._views = TabViews(services, self._experiments, lambda: self.revision)
        services.experiments.changed = self._live.changed = self._touch
        self._revision = 0
        self.greeted = asyncio.Event()
        self.actions: Mapping[str, Action] = {
            "hello": Action(self._hello),
            "refresh": Action(self._refresh),
            "create": Action(self._create),
            "open": Action(self._open),
            "rename": Action(self._rename),
            "remove": Action(self._remove),
            "send": Action(self._send),
            "stop": Action(self._stop, queued=False),
            "retry": Action(self._retry),
            "toggle": Action(self._toggle),
            "mode": Action(self._mode),
            "more": Action(self._more),
            "steps": Action(self._steps),
            "restart": Action(self._restart),
            "end_orphan": Action(self._end_orphan),
            "language": Action(self._language),
            "theme": Action(self._theme),
            "experiments": Action(self._experiment),
            "models": Action(self._models),
        }

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def revision(self) -> str:
        """Changes whenever what another tab shows may have grown old."""
        status = self.services.engine.status()
        told = status.elsewhere.notice if status.elsewhere else None
        parts = (self._revision, status.state.value, status.switch, told.at if told else "")
        return "-".join(map(str, parts))

    async def act(self, session: str, action: str, data: object) -> Views:
        """Do what a person asked for; what goes wrong is said at the composer."""
        payload = Payload(data)
        tab = self._tabs.get(session, self.texts(payload.text("browser")))
        if tab.conversation is None:
            tab.conversation = payload.number_or_none("conversation")
        try:
            async for view in self.actions[action].handle(tab, payload):
                yield view
        except ProductError as error:
            yield self._views.hub(tab, notice=error.words(tab.texts))
        except Exception:
            _log.exception("%s failed", action)
            yield self._views.hub(tab, notice=ProductError("page_failed").words(tab.texts))

    async def leave(self, session: str) -> None:
        """A tab was closed: what only it was waiting for is stopped."""
        self._tabs.close(session)
        for live in self._live.owned_by(session):
            if not self._tabs.show(live.turn.conversation_id):
                await live.leave()

    def texts(self, browser_language: str = "") -> Texts:
        """The language that was chosen, else that of the browser or of this terminal."""
        chosen = self._settings.language
        if chosen not in LANGUAGES:
            chosen = self.services.store.preference("language")
        if chosen not in LANGUAGES and browser_language:
            chosen = nearest_language(browser_language)
        return Texts(chosen if chosen in LANGUAGES else system_language())

    def blank(self, texts: Texts) -> View:
        return self._views.build.blank(texts)

    # Actions

    async def _hello(self, tab: Tab, payload: Payload) -> Views:
        tab.texts = self.texts(payload.text("browser"))
        snapshot = self._views.at(payload.number_or_none("conversation"))
        async for view in self._views.show(tab, snapshot, words=True):
            yield view
            self.greeted.set()

    async def _refresh(self, tab: Tab, payload: Payload) -> Views:
        """Something changed elsewhere. A reply that this tab follows is left alone."""
        if tab.reader is not None:
            yield self._views.around(tab)
            return
        snapshot = self._views.look(tab)
        if snapshot.conversation is None:
            tab.show(None)
        async for view in self._views.go_on(tab, snapshot):
            yield view

    async def _create(self, tab: Tab, payload: Payload) -> Views:
        async for view in self._views.show(tab, self._views.at(None)):
            yield view

    async def _open(self, tab: Tab, payload: Payload) -> Views:
        snapshot = self._views.at(payload.number("id"))
        if snapshot.conversation is None:
            raise StoreError("store_no_conversation")
        wanted = payload.number("message") if "message" in payload else None
        async for view in self._views.show(tab, snapshot, message=wanted):
            yield view

    async def _rename(self, tab: Tab, payload: Payload) -> Views:
        if title := " ".join(payload.text("title").split())[:200]:
            self.services.store.rename(payload.number("id"), title)
            self._touch()
        yield self._views.around(tab)

    async def _remove(self, tab: Tab, payload: Payload) -> Views:
        conversation = payload.number("id")
        await self._live.stop(conversation)
        self.services.store.delete_conversation(conversation)
        self._touch()
        if conversation != tab.conversation:
            yield self._views.around(tab)
            return
        async for view in self._views.show(tab, self._views.at(None)):
            yield view

    async def _send(self, tab: Tab, payload: Payload) -> Views:
        live = await self._live.send(
            tab.conversation, payload.text("text"), new=tab.mode, owner=tab.session
        )
        tab.conversation, tab.switched = live.turn.conversation_id, False
        async for view in self._views.follow(
            tab, self._views.look(tab), sent=payload.text("nonce")
        ):
            yield view

    async def _retry(self, tab: Tab, payload: Payload) -> Views:
        if tab.conversation is not None:
            self._live.retry(tab.conversation, owner=tab.session)
            tab.switched = False
        async for view in self._views.follow(tab, self._views.look(tab)):
            yield view

    async def _stop(self, tab: Tab, payload: Payload) -> Views:
        if tab.conversation is not None:
            await self._live.stop(tab.conversation)
        yield self._views.hub(tab)

    async def _toggle(self, tab: Tab, payload: Payload) -> Views:
        tab.speculation = payload.text("value") == "on"
        tab.mode = SpeculationMode.ON if tab.speculation else SpeculationMode.OFF
        if tab.conversation is not None:
            self.services.store.set_speculation(tab.conversation, tab.speculation)
            self._touch()
        live = self._live.get(tab.conversation)
        tab.switched = live is not None and live.turn.speculation != tab.speculation
        yield self._views.toggled(tab)

    async def _mode(self, tab: Tab, payload: Payload) -> Views:
        """Auto on, or back to what it chose last. Counts from the next reply."""
        if payload.text("value") == "auto":
            tab.mode = SpeculationMode.AUTO
        else:
            on = speculation(tab, self._views.look(tab))
            tab.mode = SpeculationMode.ON if on else SpeculationMode.OFF
        if tab.conversation is not None:
            self.services.store.set_mode(tab.conversation, tab.mode)
            self._touch()
        tab.switched = self._live.get(tab.conversation) is not None
        yield self._views.around(tab)

    async def _steps(self, tab: Tab, payload: Payload) -> Views:
        """A finished reply step by step, or as text again."""
        tab.stepped ^= {payload.number("id")}
        await self._views.build.read_steps(payload.number("id"))
        yield self._views.history(tab)

    async def _experiment(self, tab: Tab, payload: Payload) -> Views:
        """Whatever is done in the Compare and Benchmark panes."""
        acted = self._experiments.act(self._views.build.on_bench(tab), payload)
        async with aclosing(acted) as views:  # type: ignore[type-var]
            async for view in views:
                yield view
        if payload.text("what") in ("compare", "bench", "tune", "cancel"):
            yield self._views.verdict(tab)

    async def _models(self, tab: Tab, payload: Payload) -> Views:
        """Whatever is done in the Models pane, which the pulse keeps up to date."""
        if self.services.models is not None:
            await models_page.act(self.services.models, payload, self.services.connection)
            self._touch()
        yield self._views.around(tab)

    async def _more(self, tab: Tab, payload: Payload) -> Views:
        tab.window += WINDOW
        yield self._views.history(tab)

    async def _restart(self, tab: Tab, payload: Payload) -> Views:
        """As it was, or more carefully by one caution; an empty one: as usual again."""
        if "careful" in payload:
            caution = payload.one_of("careful", careful.NAMES, None)
            keep_caution(self.services.store, caution)
        await self.services.engine.restart()
        yield self._views.around(tab)

    async def _end_orphan(self, tab: Tab, payload: Payload) -> Views:
        await self.services.engine.end_orphan(payload.number("app"))
        yield self._views.hub(tab)

    async def _language(self, tab: Tab, payload: Payload) -> Views:
        if language := payload.one_of("value", tuple(LANGUAGES), None):
            self.services.store.set_preference("language", language)
            tab.texts = Texts(language)
        async for view in self._views.go_on(tab, self._views.look(tab), words=True):
            yield view

    async def _theme(self, tab: Tab, payload: Payload) -> Views:
        if theme := payload.one_of("value", THEMES, None):
            self.services.store.set_preference("theme", theme)
        yield self._views.hub(tab)

    def _touch(self) -> None:
        self._revision += 1


async def stop_all(page: Page) -> None:
    """Before the app ends: what is being written is kept as far as it came."""
    with suppress(TimeoutError):  # each second of it is on disk already
        await asyncio.wait_for(page.services.replies.stop_all(), timeout=5)
