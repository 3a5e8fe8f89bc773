"""The replies that are being written, at most one in a conversation, for any number of tabs
that watch.

A message is on disk before the engine sees it. While the engine is not ready the reply
waits, visibly, and goes on by itself once it is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from chatapp.application.app_engine import AppEngine
from chatapp.application.live_reply import LiveReply
from chatapp.chat.history import FittedPrompt, check_length, fit
from chatapp.chat.messages import check_message
from chatapp.chat.store import Store
from chatapp.chat.turns import Choose, Turn, Turns
from chatapp.domain import EngineState, Sampling, SpeculationMode
from chatapp.errors import EngineError, InputError

_POLL_S = 0.1


class LiveReplies:
    """``choose`` decides about speculation where a conversation leaves that to *auto*.
    ``changed`` is called when a reply begins or ends."""

    def __init__(self, store: Store, engine: AppEngine, choose: Choose | None = None) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._store, self._engine, self._turns = store, engine, Turns(store, choose)
        self._app = secrets.token_hex(4)  # others behind the same gateway count from 1 as well
        self._live: dict[int, LiveReply] = {}

    def get(self, conversation_id: int | None) -> LiveReply | None:
        return None if conversation_id is None else self._live.get(conversation_id)

    def ids(self) -> frozenset[int]:
        """The conversations in which a reply is being written."""
        return frozenset(self._live)

    def owned_by(self, owner: str) -> list[LiveReply]:
        return [live for live in self._live.values() if live.owner == owner]

    async def send(
        self,
        conversation_id: int | None,
        text: str,
        sampling: Sampling | None = None,
        *,
        new: SpeculationMode = SpeculationMode.ON,
        owner: str = "",
    ) -> LiveReply:
        """Write ``text`` down and answer it; None: in a new conversation, with its toggle at
        ``new``. Raises InputError before anything is written."""
        message = check_message(text)
        await asyncio.to_thread(self._check_length, message)
        self._refuse_if_busy(conversation_id)
        return self._start(self._turns.add(conversation_id, message, new), sampling, owner)

    def retry(
        self, conversation_id: int, sampling: Sampling | None = None, owner: str = ""
    ) -> LiveReply:
        """Answer the last user message again; the new reply takes the old one's place."""
        self._refuse_if_busy(conversation_id)
        return self._start(self._turns.again(conversation_id), sampling, owner)

    def resume(self, conversation_id: int, owner: str = "") -> LiveReply | None:
        """Go on with a reply that still waits, after a restart say; None: none does."""
        if conversation_id in self._live:
            return None
        turn = self._turns.waiting(conversation_id)
        return self._start(turn, None, owner) if turn else None

    async def stop(self, conversation_id: int) -> None:
        """Stop what is being written there, if anything is; what there is of it is kept."""
        if live := self._live.get(conversation_id):
            await live.stop()

    async def stop_all(self) -> None:
        """Before the app ends. What waits for the engine goes on waiting on disk."""
        await asyncio.gather(*(live.leave() for live in self._live.values()))

    def _start(self, turn: Turn, sampling: Sampling | None, owner: str) -> LiveReply:
        live = self._live[turn.conversation_id] = LiveReply(
            turn,
            self._store,
            ready=lambda: self._ready(turn),
            stream=lambda prompt, sampling, speculation: self._engine.client.stream(
                prompt.ids, sampling, speculation, f"{self._app}-{turn.conversation_id}"
            ),
            sampling=sampling or Sampling(),
            simulated=lambda: self._engine.status().simulated_accept_length,
            owner=owner,
            ended=lambda: self._end(turn.conversation_id),
        )
        self.changed()
        return live

    def _end(self, conversation_id: int) -> None:
        del self._live[conversation_id]
        self.changed()

    async def _ready(self, turn: Turn) -> FittedPrompt:
        """The prompt, once the engine is ready. A failed engine may be started again."""
        while self._engine.status().state is not EngineState.READY:
            await asyncio.sleep(_POLL_S)
        prompt, said = self._engine.prompt(), self._turns.said(turn)
        return await asyncio.to_thread(fit, prompt, said)

    def _check_length(self, message: str) -> None:
        """An engine elsewhere that cannot be asked now is asked before it answers."""
        with suppress(EngineError):
            check_length(self._engine.prompt(), message)

    def _refuse_if_busy(self, conversation_id: int | None) -> None:
        if conversation_id in self._live:
            raise InputError("conversation_busy")
