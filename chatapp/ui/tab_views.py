"""What a tab is shown now, and while a reply is being written, how it grows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from chatapp.application.services import Services
from chatapp.chat.snapshot import Snapshot, Snapshots
from chatapp.domain import MessageState
from chatapp.ui.experiments_page import ExperimentsPage
from chatapp.ui.tabs import Tab
from chatapp.ui.view_builder import View, ViewBuilder

Views = AsyncIterator[View]


class TabViews:
    """Each view is made of one snapshot of the store."""

    def __init__(
        self, services: Services, experiments: ExperimentsPage, revision: Callable[[], str]
    ) -> None:
        self._live = services.replies
        self._snapshots = Snapshots(services.store, services.experiments.auto.evidence)
        self.build = ViewBuilder(services, experiments, revision)

    def look(self, tab: Tab) -> Snapshot:
        return self.at(tab.conversation)

    def at(self, conversation: int | None) -> Snapshot:
        return self._snapshots.take(conversation)

    async def show(
        self, tab: Tab, snapshot: Snapshot, words: bool = False, message: int | None = None
    ) -> Views:
        """Another conversation: the one of the snapshot, from its ``message`` on."""
        tab.show(snapshot.conversation.id if snapshot.conversation else None)
        if message is not None:
            tab.window = max(tab.window, sum(one.id >= message for one in snapshot.messages))
        async for view in self.go_on(tab, snapshot, words, message=message):
            yield view

    async def go_on(
        self, tab: Tab, snapshot: Snapshot, words: bool = False, message: int | None = None
    ) -> Views:
        """The conversation as it is; a message that waits since before is sent on."""
        messages = snapshot.messages
        if messages and messages[-1].state is MessageState.WAITING:
            if self._live.resume(messages[-1].conversation_id, owner=tab.session):
                tab.switched, snapshot = False, self.look(tab)
        async for view in self.follow(tab, snapshot, words=words, message=message):
            yield view

    async def follow(self, tab: Tab, snapshot: Snapshot, words: bool = False, **hub: Any) -> Views:
        """The whole page now, and while a reply is being written, the reply as it grows.
        A follower whose tab has moved on ends with an empty view: Gradio repeats the last
        one when a generator ends."""
        tab.stop_following()
        live = self._live.get(tab.conversation)
        view = self.build.whole(tab, snapshot, live) | self.build.hub(tab, snapshot, **hub)
        yield view | (self.build.words(tab) if words else {})
        if live is None:
            return
        reader = tab.reader = live.latest.reader()
        try:
            async for state in reader:
                if not state.ended:  # the settled view follows at once
                    yield self.build.during(tab, live, state)
        finally:
            ours = tab.reader is reader
            if ours:
                tab.reader = None
        yield self._settled(tab) if ours else {}

    def around(self, tab: Tab) -> View:
        """What is around the conversation, which stays as it is."""
        snapshot = self.look(tab)
        return self.build.frame(tab, snapshot) | self.build.hub(tab, snapshot)

    def toggled(self, tab: Tab) -> View:
        """What is around it; the panel too, where no reply is being written."""
        snapshot = self.look(tab)
        view = self.build.frame(tab, snapshot) | self.build.hub(tab, snapshot)
        idle = self._live.get(tab.conversation) is None
        return view | (self.build.panel(tab, snapshot) if idle else {})

    def history(self, tab: Tab) -> View:
        return self.build.history(tab, self.look(tab))

    def verdict(self, tab: Tab) -> View:
        return {"verdict": self.build.verdict(tab, self.look(tab))}

    def hub(self, tab: Tab, **more: Any) -> View:
        return self.build.hub(tab, self.look(tab), **more)

    def _settled(self, tab: Tab) -> View:
        snapshot = self.look(tab)
        return self.build.whole(tab, snapshot, None) | self.build.hub(tab, snapshot)
