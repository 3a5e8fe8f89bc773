"""A turn is a user message and its reply; here it comes to be, on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from chatapp.chat.language import detect
from chatapp.chat.messages import title_of
from chatapp.chat.store import Store
from chatapp.domain import (
    AutoChoice,
    Conversation,
    Message,
    MessageState,
    Role,
    SpeculationMode,
)
from chatapp.errors import InputError

Choose = Callable[[Conversation, Message], AutoChoice]


@dataclass(frozen=True, slots=True)
class Turn:
    """``reply`` waits to be written to ``user``, with ``speculation`` or without."""

    user: Message
    reply: Message
    speculation: bool

    @property
    def conversation_id(self) -> int:
        return self.user.conversation_id


def loose(text: str, speculation: bool) -> Turn:
    """A turn of no conversation."""
    user = Message(0, 0, Role.USER, text, MessageState.FINISHED, 0.0)
    reply = Message(0, 0, Role.ASSISTANT, "", MessageState.WAITING, 0.0)
    return Turn(user, reply, speculation)


class Turns:
    """``choose`` decides about speculation where a conversation leaves that to *auto*."""

    def __init__(self, store: Store, choose: Choose | None = None) -> None:
        self._store, self._choose = store, choose

    def add(self, conversation_id: int | None, text: str, new: SpeculationMode) -> Turn:
        """``text`` as the newest message; None: of a new conversation, with its toggle at
        ``new``. All of it or nothing. Raises StoreError."""
        if conversation_id is None:
            return self._first(text, new)
        conversation = self._store.conversation(conversation_id)
        user, reply = self._store.add_turn(conversation_id, text, detect(text))
        if not conversation.title:
            self._store.rename(conversation_id, title_of(text))
        return self._turn(conversation, user, reply)

    def again(self, conversation_id: int) -> Turn:
        """The last user message with a new reply in place of whatever followed it. Raises
        InputError when there is none."""
        user = self._last_user(self._store.messages(conversation_id))
        reply = self._store.replace_after(user)
        return self._turn(self._store.conversation(conversation_id), user, reply)

    def waiting(self, conversation_id: int) -> Turn | None:
        """The turn whose reply has not begun, if there is one."""
        messages = self._store.messages(conversation_id)
        if not messages or messages[-1].state is not MessageState.WAITING:
            return None
        conversation = self._store.conversation(conversation_id)
        return self._turn(conversation, self._last_user(messages), messages[-1])

    def said(self, turn: Turn) -> list[Message]:
        """The conversation up to what is to be answered."""
        messages = self._store.messages(turn.conversation_id)
        return [message for message in messages if message.id <= turn.user.id]

    def _first(self, text: str, mode: SpeculationMode) -> Turn:
        conversation = self._store.create_conversation("", mode is not SpeculationMode.OFF)
        try:
            if mode is SpeculationMode.AUTO:
                self._store.set_mode(conversation.id, mode)
            return self.add(conversation.id, text, mode)
        except BaseException:
            self._store.delete_conversation(conversation.id)
            raise

    def _turn(self, conversation: Conversation, user: Message, reply: Message) -> Turn:
        speculation = conversation.speculation
        if conversation.mode is SpeculationMode.AUTO and self._choose is not None:
            choice = self._choose(conversation, user)
            self._store.set_choice(reply, choice)
            reply, speculation = replace(reply, choice=choice), choice.speculation
        return Turn(user, reply, speculation)

    def _last_user(self, messages: list[Message]) -> Message:
        for message in reversed(messages):
            if message.role is Role.USER:
                return message
        raise InputError("nothing_to_retry")
