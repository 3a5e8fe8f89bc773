"""What *auto* does: follows the verdict about speculation for this sort of reply."""

from __future__ import annotations

from collections.abc import Callable

from chatapp.chat.comparisons import Comparisons
from chatapp.chat.store import Store
from chatapp.domain import AutoChoice, Conversation, Message
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.verdict import Verdict, verdict


class Auto:
    """``setting`` says where the next reply will be written: machine, pair and tree."""

    def __init__(self, store: Store, setting: Callable[[], Setting]) -> None:
        self._store = store
        self._comparisons = Comparisons(store)
        self._setting = setting

    def choose(self, conversation: Conversation, user: Message) -> AutoChoice:
        """For the reply to ``user``; decided once, before it begins."""
        found = self.verdict(conversation.id, user.language or "en")
        speedup = found.speedup.value if found.speedup else None
        return AutoChoice(found.keep_on, found.state, speedup)

    def verdict(self, conversation_id: int | None, language: str = "", kind: str = "") -> Verdict:
        """About this conversation's next reply: its language and kind are those of the
        last reply, unless they are given."""
        messages = self._store.messages(conversation_id) if conversation_id else []
        kind = kind or next((m.kind for m in reversed(messages) if m.kind), "prose")
        language = language or next((m.language for m in reversed(messages) if m.language), "en")
        return verdict(self._comparisons.observations(self._setting()), language, kind)
