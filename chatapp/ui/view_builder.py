"""What a tab sees, as contents of the panes. It reads and draws; it changes nothing.

A *view* is new contents for some of the panes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from markupsafe import Markup

from chatapp.application.live_replies import RunningTurn, RunningTurns
from chatapp.application.services import Services
from chatapp.chat.traces import averages_of
from chatapp.chat.turns import TurnUpdate
from chatapp.domain import Conversation, Message, SpeculationMode
from chatapp.errors import StoreError
from chatapp.texts import Texts
from chatapp.ui.experiments_page import ExperimentForms, ExperimentsPage
from chatapp.ui.panes import composer, empty, evidence, figures, head, rail, transcript
from chatapp.ui.panes.stepview import step_view
from chatapp.ui.tabs import Tab

PANES = (
    "hub",
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
        running: RunningTurns,
        experiments: ExperimentsPage,
        revision: Callable[[], str],
    ) -> None:
        self._services, self._running, self._revision = services, running, revision
        self._experiments = experiments
        self._sequence = 0

    def blank(self, texts: Texts) -> View:
        """The page before its first answer: usable already."""
        status = self._services.engine.status()
        return {
            "hub": {},
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

    def whole(self, tab: Tab, turn: RunningTurn | None) -> View:
        """All that changes from conversation to conversation."""
        if turn is None:
            shown = self.panel(tab, self.messages(tab)) | {"live": Markup()}
        else:
            tab.earlier = self._settled(tab, turn)
            shown = self.during(tab, turn, turn.latest.value)
        return self.frame(tab) | self.history(tab) | shown

    def history(self, tab: Tab) -> View:
        """The messages, without the one that is being written."""
        turn = self._running.get(tab.conversation)
        messages = self._settled(tab, turn)
        return {"transcript": self._transcript(tab, messages, turn is not None)}

    def _settled(self, tab: Tab, turn: RunningTurn | None) -> list[Message]:
        writing = turn.latest.value.reply.id if turn else None
        return [message for message in self.messages(tab) if message.id != writing]

    def during(self, tab: Tab, turn: RunningTurn, update: TurnUpdate) -> View:
        reply, now = update.reply, update.now
        tree = self._services.engine.status().tree
        on = turn.speculation
        return {
            "live": transcript.live(tab.texts, update, on),
            "figures": figures.panel(tab.texts, reply, on, tab.earlier, tree, now),
            "strip": figures.strip(tab.texts, reply, now),
        }

    def frame(self, tab: Tab) -> View:
        """All that is around the conversation."""
        status = self._services.engine.status()
        running = self._running.get(tab.conversation) is not None
        return {
            "rail": rail.rail(
                tab.texts,
                self._services.store.conversations(),
                tab.conversation,
                self._running.ids(),
                date.today(),
            ),
            "head": head.head(tab.texts, self._title(tab), status, tab.conversation),
            "controls": composer.controls(
                tab.texts,
                status,
                self.speculation(tab),
                running,
                tab.switched,
                self.mode(tab),
            ),
            "verdict": self.verdict(tab),
        }

    def words(self, tab: Tab) -> View:
        """What changes with the language only."""
        return {
            "choices": rail.choices(tab.texts),
            "box": composer.box(tab.texts),
            "dialogs": composer.dialogs(tab.texts),
            **self._experiments.panes(self.on_bench(tab)),
        }

    def on_bench(self, tab: Tab) -> ExperimentForms:
        tab.bench = tab.bench or ExperimentForms(tab.texts)
        tab.bench.texts = tab.texts
        return tab.bench

    def panel(self, tab: Tab, messages: list[Message]) -> View:
        reply, on = figures.last_measured(messages), self.speculation(tab)
        tree = self._services.engine.status().tree
        return {
            "figures": figures.panel(tab.texts, reply, on, messages, tree),
            "strip": figures.strip(tab.texts, reply),
        }

    def _transcript(self, tab: Tab, messages: list[Message], running: bool) -> Markup:
        if not messages:
            return empty.empty(tab.texts)
        stepped = {
            message.id: self._step_view(tab, message)
            for message in messages[-tab.window :]
            if message.id in tab.stepped
        }
        return transcript.transcript(
            tab.texts, messages, tab.conversation, tab.window, running, stepped
        )

    def _step_view(self, tab: Tab, message: Message) -> Markup:
        trace = self._services.lab.traces.of(message.id)
        return step_view(tab.texts, trace, message.text, self._services.lab.prompt())

    def verdict(self, tab: Tab) -> Markup:
        """The verdict about this conversation's next reply, and the averages."""
        lab = self._services.lab
        simulated = self._services.engine.status().simulated_accept_length
        return evidence.panel(
            tab.texts,
            lab.auto.verdict(tab.conversation),
            averages_of(self.messages(tab)),
            lab.traces.averages(),
            simulated,
        )

    def hub(self, tab: Tab, **more: Any) -> View:
        """What the page's own script has to know."""
        self._sequence += 1
        return {
            "hub": {
                "sequence": self._sequence,
                "conversation": tab.conversation,
                "title": self._title(tab) or tab.texts("page.head.untitled"),
                "app": tab.texts("app.name"),
                "running": self._running.get(tab.conversation) is not None,
                "language": tab.texts.language,
                "tag": tab.texts.row.tag,
                "theme": self._services.store.preference("theme"),
                "revision": self._revision(),
                "copied": tab.texts("page.message.copied"),
                "down": tab.texts("page.composer.down"),
                **more,
            }
        }

    def messages(self, tab: Tab) -> list[Message]:
        if tab.conversation is None:
            return []
        return self._services.store.messages(tab.conversation)

    def speculation(self, tab: Tab) -> bool:
        conversation = self._conversation(tab)
        return conversation.speculation if conversation else tab.speculation

    def mode(self, tab: Tab) -> SpeculationMode:
        conversation = self._conversation(tab)
        return conversation.mode if conversation else tab.mode

    def _title(self, tab: Tab) -> str:
        conversation = self._conversation(tab)
        return conversation.title if conversation else ""

    def _conversation(self, tab: Tab) -> Conversation | None:
        """None for one that is new, or that another tab has deleted."""
        try:
            return self._services.store.conversation(tab.conversation) if tab.conversation else None
        except StoreError:
            return None
