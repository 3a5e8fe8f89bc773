"""What *auto* does: follows the verdict about speculation for this sort of reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatapp.chat.evidence_reader import Evidence, EvidenceReader
from chatapp.chat.store import Store
from chatapp.domain import AutoChoice, Conversation, Message
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.verdict import Verdict, verdict


class Auto:
    """``setting`` says where the next reply will be written: machine, pair and tree."""

    def __init__(self, store: Store, setting: Callable[[], Setting]) -> None:
        self._store, self.evidence = store, EvidenceReader(store)
        self._setting = setting

    def choose(self, conversation: Conversation, user: Message) -> AutoChoice:
        """For the reply to ``user``; decided once, before it begins."""
        messages = self._store.messages(conversation.id)
        found = self.next_verdict(messages, self.evidence.read(), user.language or "en")
        speedup = found.speedup.value if found.speedup else None
        return AutoChoice(found.keep_on, found.state, speedup)

    def next_verdict(
        self, messages: Sequence[Message], evidence: Evidence, language: str = ""
    ) -> Verdict:
        """About a conversation's next reply: its language and kind are those of the last
        one, unless the language is given."""
        kind = next((m.kind for m in reversed(messages) if m.kind), "prose")
        language = language or next((m.language for m in reversed(messages) if m.language), "en")
        return verdict(evidence.observations(self._setting()), language, kind)

    def verdict(self, language: str, kind: str) -> Verdict:
        """About replies of this sort."""
        return verdict(self.evidence.read().observations(self._setting()), language, kind)
