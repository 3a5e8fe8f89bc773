"""What a tab sees, as contents of the panes. It draws what a snapshot holds; it changes
nothing.

A *view* is new contents for some of the panes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

from markupsafe import Markup

from chatapp.application.live_reply import LiveReply, ReplyState
from chatapp.application.services import Services
from chatapp.chat.snapshot import Snapshot
from chatapp.chat.traces import averages_of
from chatapp.domain import Message, SpeculationMode
from chatapp.errors import ProductError
from chatapp.texts import Texts
from chatapp.ui.experiments_page import ExperimentForms, ExperimentsPage
from chatapp.ui.panes import composer, empty, evidence, figures, head, rail, transcript
from chatapp.ui.panes.stepview import step_view
from chatapp.ui.render import render
from chatapp.ui.tabs import Tab

PANES = (
    "hub",
    "top",
    "rail",
    "choices",
    "head",
    "strip",
    "transcript",
    "live",
    "box",
    "controls",
    "figures",
    "verdict",
    "compare",
    "bench",
    "dialogs",
)

View = dict[str, Any]


class ViewBuilder:
    """``revision`` tells how old what other tabs show may be."""

    def __init__(
        self,
        services: Services,
        experiments: ExperimentsPage,
        revision: Callable[[], str],
    ) -> None:
        self._services, self._live, self._revision = services, services.replies, revision
        self._experiments = experiments
        self._sequence = 0

    def blank(self, texts: Texts) -> View:
        """The page before its first answer: usable already."""
        status = self._services.engine.status()
        return {
            "hub": {},
            "top": rail.top(texts),
            "rail": Markup('<nav class="ec-rail"></nav>'),
            "choices": rail.choices(texts),
            "head": head.head(texts, "", status),
            "strip": figures.strip(texts, None),
            "transcript": empty.empty(texts),
            "live": Markup(),
            "box": composer.box(texts),
            "controls": composer.controls(texts, status, True, False, False),
            "figures": figures.panel(texts, None, True, (), status.tree),
            "verdict": Markup(),
            **self._experiments.blank(texts),
            "dialogs": composer.dialogs(texts),
        }

    def whole(self, tab: Tab, snapshot: Snapshot, live: LiveReply | None) -> View:
        """All that changes from conversation to conversation."""
        if live is None:
            shown = self.panel(tab, snapshot) | {"live": Markup()}
        else:
            tab.earlier = _settled(snapshot, live)
            shown = self.during(tab, live, live.state)
        return self.frame(tab, snapshot) | self.history(tab, snapshot) | shown

    def history(self, tab: Tab, snapshot: Snapshot) -> View:
        """The messages, without the one that is being written."""
        live = self._live.get(tab.conversation)
        messages = _settled(snapshot, live)
        if not messages:
            return {"transcript": empty.empty(tab.texts)}
        stepped = {
            message.id: self._step_view(tab, message)
            for message in messages[-tab.window :]
            if message.id in tab.stepped
        }
        running = live is not None
        return {
            "transcript": transcript.transcript(
                tab.texts, messages, tab.conversation, tab.window, running, stepped
            )
        }

    def during(self, tab: Tab, live: LiveReply, state: ReplyState) -> View:
        reply, now, on = state.reply, state.now, live.turn.speculation
        tree = self._services.engine.status().tree
        return {
            "live": transcript.live(tab.texts, state, on),
            "figures": figures.panel(tab.texts, reply, on, tab.earlier, tree, now),
            "strip": figures.strip(tab.texts, reply, now),
        }

    def frame(self, tab: Tab, snapshot: Snapshot) -> View:
        """All that is around the conversation."""
        status = self._services.engine.status()
        running = self._live.ids()
        return {
            "rail": rail.rail(
                tab.texts, snapshot.conversations, tab.conversation, running, date.today()
            ),
            "head": head.head(tab.texts, _title(snapshot), status, tab.conversation),
            "controls": composer.controls(
                tab.texts,
                status,
                speculation(tab, snapshot),
                tab.conversation in running,
                tab.switched,
                mode(tab, snapshot),
            ),
            "verdict": self.verdict(tab, snapshot),
        }

    def words(self, tab: Tab) -> View:
        """What changes with the language only."""
        return {
            "top": rail.top(tab.texts),
            "choices": rail.choices(tab.texts),
            "box": composer.box(tab.texts),
            "dialogs": composer.dialogs(tab.texts),
            **self._experiments.panes(self.on_bench(tab)),
        }

    def on_bench(self, tab: Tab) -> ExperimentForms:
        tab.bench = tab.bench or ExperimentForms(tab.texts)
        tab.bench.texts = tab.texts
        return tab.bench

    def panel(self, tab: Tab, snapshot: Snapshot) -> View:
        messages, on = snapshot.messages, speculation(tab, snapshot)
        reply = figures.last_measured(messages)
        tree = self._services.engine.status().tree
        return {
            "figures": figures.panel(tab.texts, reply, on, messages, tree),
            "strip": figures.strip(tab.texts, reply),
        }

    async def read_steps(self, message_id: int) -> None:
        """What the tokens of a reply say: an engine elsewhere is asked in a thread, all at
        once, and the step view finds the answers there."""
        trace = self._services.experiments.traces.of(message_id)
        with suppress(ProductError):
            prompt = self._services.experiments.prompt()
            await asyncio.to_thread(prompt.decode, trace.token_ids if trace else ())

    def _step_view(self, tab: Tab, message: Message) -> Markup:
        trace = self._services.experiments.traces.of(message.id)
        try:
            return step_view(tab.texts, trace, message.text, self._services.experiments.prompt())
        except ProductError as error:
            return render("steps_missing", tab.texts, reason=error.words(tab.texts))

    def verdict(self, tab: Tab, snapshot: Snapshot) -> Markup:
        """The verdict about this conversation's next reply, and the averages."""
        return evidence.panel(
            tab.texts,
            self._services.experiments.auto.next_verdict(snapshot.messages, snapshot.evidence),
            averages_of(snapshot.messages),
            snapshot.evidence.averages,
            self._services.engine.status().simulated_accept_length,
        )

    def hub(self, tab: Tab, snapshot: Snapshot, **more: Any) -> View:
        """What the page's own script has to know."""
        self._sequence += 1
        return {
            "hub": {
                "sequence": self._sequence,
                "conversation": tab.conversation,
                "title": _title(snapshot) or tab.texts("page.head.untitled"),
                "app": tab.texts("app.name"),
                "running": tab.conversation in self._live.ids(),
                "language": tab.texts.language,
                "tag": tab.texts.row.tag,
                "theme": self._services.store.preference("theme"),
                "revision": self._revision(),
                "copied": tab.texts("page.message.copied"),
                "down": tab.texts("page.composer.down"),
                **more,
            }
        }


def speculation(tab: Tab, snapshot: Snapshot) -> bool:
    """The toggle of the conversation, or that of one which is still to come."""
    return snapshot.conversation.speculation if snapshot.conversation else tab.speculation


def mode(tab: Tab, snapshot: Snapshot) -> SpeculationMode:
    return snapshot.conversation.mode if snapshot.conversation else tab.mode


def _title(snapshot: Snapshot) -> str:
    return snapshot.conversation.title if snapshot.conversation else ""


def _settled(snapshot: Snapshot, live: LiveReply | None) -> list[Message]:
    """All but the reply that is being written."""
    writing = live.state.reply.id if live else None
    return [message for message in snapshot.messages if message.id != writing]
