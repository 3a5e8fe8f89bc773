"""One reply while it is being written: a task that reads the engine, and its newest state.

The task does not wait for whoever watches, so stopping, saving and aborting work at the
same speed with a slow page, a closed tab, or none. Text is kept first and shown then, so a
killed app leaves on disk whatever was seen of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from chatapp.application.latest import Latest
from chatapp.chat.history import FittedPrompt
from chatapp.chat.language import detect
from chatapp.chat.messages import clean
from chatapp.chat.store import Store
from chatapp.chat.traces import Traces
from chatapp.chat.turns import Turn
from chatapp.domain import Chunk, Message, MessageState, Sampling
from chatapp.errors import ProductError, StoreError
from chatapp.measure.reply.metrics import Window, metrics_of, window_of
from chatapp.measure.reply.text_kind import text_kind_of
from chatapp.measure.reply.trace import Trace

# Twice as often as a page draws: keeping first then costs the eye nothing.
KEEP_EVERY_S = 0.05
# How much of a reply a power failure may take.
SYNC_EVERY_S = 1.0

_ENDED = (MessageState.FINISHED, MessageState.STOPPED, MessageState.FAILED)
_log = logging.getLogger(__name__)

Ready = Callable[[], Awaitable[FittedPrompt]]
Stream = Callable[[FittedPrompt, Sampling, bool], AsyncGenerator[Chunk]]


@dataclass(frozen=True, slots=True)
class ReplyState:
    """A reply as it is now, with the figures of what there is of it; ``now`` is how it goes
    at this moment. ``dropped_messages`` of the history did not fit the context."""

    reply: Message
    now: Window | None = None
    dropped_messages: int = 0

    @property
    def ended(self) -> bool:
        return self.reply.state in _ENDED


class LiveReply:
    """``latest`` is what there is of it, for any number of readers; it closes at the end.

    ``ready`` waits for the engine and gives the prompt, ``stream`` asks the engine, and
    ``ended`` is called just before the readers learn of the end. Without a ``store`` the
    reply is kept nowhere. Must be made in a running event loop.
    """

    def __init__(
        self,
        turn: Turn,
        store: Store | None,
        *,
        ready: Ready,
        stream: Stream,
        sampling: Sampling,
        simulated: Callable[[], float | None] = lambda: None,
        owner: str = "",
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self.latest = Latest(ReplyState(turn.reply))
        self.trace = Trace(turn.speculation)
        self.error: ProductError | None = None
        self.turn, self.owner = turn, owner
        self._store = store
        self._ready, self._stream, self._simulated = ready, stream, simulated
        self._sampling, self._ended = sampling, ended
        self._text = ""
        self._kept_at = self._synced_at = 0.0
        self._keeping: asyncio.TimerHandle | None = None
        self._left = False
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run())

    @property
    def state(self) -> ReplyState:
        return self.latest.value

    async def stop(self) -> None:
        """Returns when what was written is on disk."""
        self._loop.call_soon(self._task.cancel)  # not before the task has begun
        await asyncio.wait([self._task])

    async def leave(self) -> None:
        """Like ``stop``, but a reply that has not begun can be taken up again later."""
        self._left = True
        await self.stop()

    async def _run(self) -> None:
        try:
            await self._write()
        except asyncio.CancelledError:
            if not (self._left and self.state.reply.state is MessageState.WAITING):
                self._settle(MessageState.STOPPED)
        except ProductError as error:
            self._fail(error)
        except Exception:
            _log.exception("a reply could not be written")
            self._fail(ProductError("reply_failed"))
        finally:
            self._ended()
            self.latest.close()

    async def _write(self) -> None:
        prompt = await self._ready()
        self._publish(dropped_messages=prompt.dropped_messages)
        self._save(state=MessageState.STREAMING)
        room = min(self._sampling.max_tokens, prompt.room)
        sampling = replace(self._sampling, max_tokens=room)
        self.trace.simulated_accept_length = self._simulated()
        finish_reason = None
        async with aclosing(self._stream(prompt, sampling, self.turn.speculation)) as chunks:
            async for chunk in chunks:
                self._take(chunk)
                finish_reason = chunk.finish_reason
        stopped = finish_reason in (None, "abort")
        state = MessageState.STOPPED if stopped else MessageState.FINISHED
        self._settle(state, finish_reason=finish_reason)

    def _take(self, chunk: Chunk) -> None:
        """By timer, so that what came last is not kept back until another chunk follows."""
        self.trace.add(chunk)
        self._text = clean(chunk.text)
        if self._keeping is None:
            self._keeping = self._loop.call_at(self._kept_at + KEEP_EVERY_S, self._keep)

    def _keep(self) -> None:
        self._keeping, self._kept_at = None, self._loop.time()
        durable = self._kept_at - self._synced_at >= SYNC_EVERY_S
        if durable:
            self._synced_at = self._kept_at
        self._save(durable, text=self._text)
        self._publish(window_of(self.trace), figures=metrics_of(self.trace))

    def _fail(self, error: ProductError) -> None:
        self.error = error
        self._settle(MessageState.FAILED, error=error.key, error_values=error.values)

    def _settle(self, state: MessageState, **fields: Any) -> None:
        """The last state. A reply that never began keeps no figures."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self.trace.arrivals:
            fields |= {"figures": metrics_of(self.trace)}
            fields |= {"language": detect(self._text), "kind": text_kind_of(self._text)}
            self._keep_trace()
        self._save(state=state, text=self._text, **fields)

    def _keep_trace(self) -> None:
        if self._store is None:
            return
        try:
            Traces(self._store).keep(self.state.reply.id, self.trace)
        except StoreError as error:
            _log.warning("the record of a reply could not be kept: %s", error)

    def _save(self, durable: bool = True, **fields: Any) -> None:
        """To disk, then to whoever watches. A store that fails does not end the reply: the
        text stays on the page and the state says what is wrong with the disk."""
        try:
            if self._store is not None:
                self._store.update_message(self.state.reply.id, durable=durable, **fields)
        except StoreError as error:
            _log.warning("a reply could not be saved: %s", error)
            fields = {"error": error.key, "error_values": error.values} | fields
        self._publish(**fields)

    def _publish(
        self, now: Window | None = None, dropped_messages: int | None = None, **fields: Any
    ) -> None:
        before = self.state
        dropped = before.dropped_messages if dropped_messages is None else dropped_messages
        reply = replace(before.reply, **fields)
        self.latest.put(ReplyState(reply, now or before.now, dropped))
