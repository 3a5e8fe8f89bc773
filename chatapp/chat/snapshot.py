"""What a page shows of the store, read at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from chatapp.chat.evidence_reader import Evidence, EvidenceReader
from chatapp.chat.store import Store
from chatapp.domain import Conversation, Message


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``conversations``: all of them, the last used first. ``conversation`` is the one that
    is looked at, with its ``messages``; None: a new one, or one that is gone."""

    conversations: tuple[Conversation, ...]
    conversation: Conversation | None
    messages: tuple[Message, ...]
    evidence: Evidence


class Snapshots:
    """Takes them, in three reads each."""

    def __init__(self, store: Store, evidence: EvidenceReader) -> None:
        self._store, self._evidence = store, evidence

    def take(self, conversation_id: int | None) -> Snapshot:
        conversations = tuple(self._store.conversations())
        looked_at = (one for one in conversations if one.id == conversation_id)
        conversation = next(looked_at, None)
        messages = self._store.messages(conversation.id) if conversation else []
        return Snapshot(conversations, conversation, tuple(messages), self._evidence.read())
