"""What a person can do in a conversation: send, stop, retry, go on after a restart.

A message is on disk before the engine sees it. While the engine is not ready the reply
waits, visibly, and goes on by itself once it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, Protocol

from chatapp.chat.history import FittedPrompt, check_length, fit
from chatapp.chat.language import detect
from chatapp.chat.messages import check_message, title_of
from chatapp.chat.reply import RunningReply, TurnUpdate
from chatapp.chat.store import Store
from chatapp.domain import (
    AutoChoice,
    Chunk,
    Conversation,
    EngineState,
    EngineStatus,
    Message,
    MessageState,
    Prompt,
    Role,
    Sampling,
    SpeculationMode,
)
from chatapp.errors import EngineError, InputError

__all__ = ["TurnUpdate", "Turns", "check_message"]

_POLL_S = 0.1


class AnsweringEngine(Protocol):
    """What ``engine.process.Engine`` offers here."""

    @property
    def client(self) -> Any: ...

    def status(self) -> EngineStatus: ...


class Turns:
    """``prompts`` gives the prompt of the target in use; it may raise a PairError. ``choose``
    decides about speculation where a conversation leaves that to *auto*."""

    def __init__(
        self,
        store: Store,
        engine: AnsweringEngine,
        prompts: Callable[[], Prompt],
        choose: Callable[[Conversation, Message], AutoChoice] | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._prompts = prompts
        self._choose = choose
        self._running: dict[int, RunningReply] = {}

    async def send(
        self, conversation_id: int, text: str, sampling: Sampling | None = None
    ) -> AsyncGenerator[TurnUpdate]:
        """Write ``text`` down and answer it. Raises InputError before anything is written."""
        message = check_message(text)
        self._refuse_if_busy(conversation_id)
        await asyncio.to_thread(self._check_length, message)
        self._refuse_if_busy(conversation_id)
        conversation = self._store.conversation(conversation_id)
        user, reply = self._store.add_turn(conversation_id, message, detect(message))
        if not conversation.title:
            self._store.rename(conversation_id, title_of(message))
        async with aclosing(self._answer(user, reply, sampling)) as updates:
            async for update in updates:
                yield update

    async def retry(
        self, conversation_id: int, sampling: Sampling | None = None
    ) -> AsyncGenerator[TurnUpdate]:
        """Answer the last user message again; the new reply takes the old one's place."""
        self._refuse_if_busy(conversation_id)
        user = self._last_user(conversation_id)
        reply = self._store.replace_after(user)
        async with aclosing(self._answer(user, reply, sampling)) as updates:
            async for update in updates:
                yield update

    async def resume_waiting(self, conversation_id: int) -> AsyncGenerator[TurnUpdate]:
        """Go on with a reply that still waits, after a restart say; else yields nothing."""
        if conversation_id in self._running:
            return
        messages = self._store.messages(conversation_id)
        if not messages or messages[-1].state is not MessageState.WAITING:
            return
        user = self._last_user(conversation_id)
        async with aclosing(self._answer(user, messages[-1], None)) as updates:
            async for update in updates:
                yield update

    async def stop(self, conversation_id: int) -> bool:
        """Stop the reply that is being written; what there is of it is kept. False: none was."""
        running = self._running.get(conversation_id)
        if running is None:
            return False
        await running.stop()
        return True

    async def stop_all(self) -> None:
        """Before the app ends. What waits for the engine goes on waiting on disk."""
        for running in list(self._running.values()):
            await running.leave()

    def running(self, conversation_id: int) -> TurnUpdate | None:
        """The newest update of the reply that is being written, if one is."""
        running = self._running.get(conversation_id)
        return running.latest if running else None

    async def _answer(
        self, user: Message, reply: Message, sampling: Sampling | None
    ) -> AsyncGenerator[TurnUpdate]:
        conversation = self._store.conversation(user.conversation_id)
        speculation = conversation.speculation
        if conversation.mode is SpeculationMode.AUTO and self._choose is not None:
            choice = self._choose(conversation, user)
            self._store.set_choice(reply, choice)
            reply, speculation = replace(reply, choice=choice), choice.speculation
        running = RunningReply(
            self._store,
            user,
            reply,
            ready=lambda: self._ready(user),
            stream=self._stream,
            sampling=sampling or Sampling(),
            speculation=speculation,
            simulated=lambda: self._engine.status().simulated_accept_length,
        )
        self._running[user.conversation_id] = running
        try:
            async with aclosing(running.updates()) as updates:
                async for update in updates:
                    yield update
        finally:
            self._running.pop(user.conversation_id, None)

    async def _ready(self, user: Message) -> FittedPrompt:
        """The prompt, once the engine is ready. A failed engine may be started again."""
        while self._engine.status().state is not EngineState.READY:
            await asyncio.sleep(_POLL_S)
        said = [m for m in self._store.messages(user.conversation_id) if m.id <= user.id]
        return await asyncio.to_thread(fit, self._prompts(), said)

    def _stream(
        self, prompt: FittedPrompt, sampling: Sampling, speculation: bool
    ) -> AsyncGenerator[Chunk]:
        chunks: AsyncGenerator[Chunk] = self._engine.client.stream(
            prompt.ids, sampling, speculation
        )
        return chunks

    def _check_length(self, message: str) -> None:
        """An engine elsewhere that cannot be asked now is asked before it answers."""
        with suppress(EngineError):
            check_length(self._prompts(), message)

    def _refuse_if_busy(self, conversation_id: int) -> None:
        if conversation_id in self._running:
            raise InputError("conversation_busy")

    def _last_user(self, conversation_id: int) -> Message:
        for message in reversed(self._store.messages(conversation_id)):
            if message.role is Role.USER:
                return message
        raise InputError("nothing_to_retry")
