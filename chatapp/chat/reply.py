"""One reply while it is being written: a task that reads the engine and keeps the store.

The task does not wait for whoever watches, so stopping, saving and aborting work at the
same speed with a slow page, a closed tab, or none. Watchers see the newest update.

Text is kept first and shown then, so a killed app leaves on disk whatever was seen of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from chatapp.chat.history import FittedPrompt
from chatapp.chat.language import detect
from chatapp.chat.messages import clean
from chatapp.chat.store import Store
from chatapp.chat.traces import Traces
from chatapp.domain import Chunk, Message, MessageState, Sampling
from chatapp.errors import ProductError, StoreError
from chatapp.measure.reply.metrics import Window, figures_of, window_of
from chatapp.measure.reply.text_kind import text_kind_of
from chatapp.measure.reply.trace import Trace

# Twice as often as a page draws: keeping first then costs the eye nothing.
KEEP_EVERY_S = 0.05
# How much of a reply a power failure may take.
SYNC_EVERY_S = 1.0
HEARTBEAT_S = 0.5

_ENDED = (MessageState.FINISHED, MessageState.STOPPED, MessageState.FAILED)
_log = logging.getLogger(__name__)

Ready = Callable[[], Awaitable[FittedPrompt]]
Stream = Callable[[FittedPrompt, Sampling, bool], AsyncGenerator[Chunk]]


@dataclass(frozen=True, slots=True)
class TurnUpdate:
    """A turn as it is now. The reply has the figures of what there is of it; ``now`` is how
    it goes at this moment. ``dropped_messages`` of the history did not fit the context."""

    conversation_id: int
    user: Message
    reply: Message
    now: Window | None = None
    dropped_messages: int = 0

    @property
    def ended(self) -> bool:
        return self.reply.state in _ENDED


class RunningReply:
    """``ready`` waits for the engine and gives the prompt, ``stream`` asks the engine.
    Must be made in a running event loop."""

    def __init__(
        self,
        store: Store,
        user: Message,
        reply: Message,
        *,
        ready: Ready,
        stream: Stream,
        sampling: Sampling,
        speculation: bool,
        simulated: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.latest = TurnUpdate(user.conversation_id, user, reply)
        self._store = store
        self._ready, self._stream = ready, stream
        self._sampling, self._speculation = sampling, speculation
        self._trace, self._simulated = Trace(speculation), simulated
        self._text = ""
        self._kept_at = self._synced_at = 0.0
        self._keeping: asyncio.TimerHandle | None = None
        self._left = False
        self._changed = asyncio.Event()
        self._changed.set()
        self._ended: Future[None] = Future()
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._write())
        self._task.add_done_callback(lambda _: self._ended.set_result(None))

    async def updates(self) -> AsyncGenerator[TurnUpdate]:
        """The newest update whenever there is one, and twice a second in any case. Whoever
        stops reading stops the reply; one that still waits goes on waiting on disk."""
        try:
            while True:
                await self._change()
                update = self.latest
                yield update
                if update.ended or (self._task.done() and update is self.latest):
                    return
        finally:
            await self.leave()

    async def stop(self) -> None:
        """Returns when what was written is on disk. Callable from any event loop."""
        await self._cancel()

    async def leave(self) -> None:
        """Like ``stop``, but a reply that has not begun can be taken up again later."""
        self._left = True
        await self._cancel()

    async def _cancel(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        await asyncio.shield(asyncio.wrap_future(self._ended))

    async def _change(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), HEARTBEAT_S)
        except TimeoutError:
            return
        self._changed.clear()

    async def _write(self) -> None:
        try:
            prompt = await self._ready()
            self._publish(dropped_messages=prompt.dropped_messages)
            self._save(state=MessageState.STREAMING)
            sampling = replace(
                self._sampling, max_tokens=min(self._sampling.max_tokens, prompt.room)
            )
            self._trace.simulated_accept_length = self._simulated()
            await self._read(self._stream(prompt, sampling, self._speculation))
        except asyncio.CancelledError:
            if not (self._left and self.latest.reply.state is MessageState.WAITING):
                self._settle(MessageState.STOPPED)
        except ProductError as error:
            self._settle(MessageState.FAILED, error=error.key, error_values=error.values)
        except Exception:
            _log.exception("a reply could not be written")
            self._settle(MessageState.FAILED, error="reply_failed")

    async def _read(self, stream: AsyncGenerator[Chunk]) -> None:
        finish_reason = None
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                self._take(chunk)
                finish_reason = chunk.finish_reason
        stopped = finish_reason in (None, "abort")
        state = MessageState.STOPPED if stopped else MessageState.FINISHED
        self._settle(state, finish_reason=finish_reason)

    def _take(self, chunk: Chunk) -> None:
        """By timer, so that what came last is not kept back until another chunk follows."""
        self._trace.add(chunk)
        self._text = clean(chunk.text)
        if self._keeping is None:
            self._keeping = self._loop.call_at(self._kept_at + KEEP_EVERY_S, self._keep)

    def _keep(self) -> None:
        self._keeping, self._kept_at = None, self._loop.time()
        durable = self._kept_at - self._synced_at >= SYNC_EVERY_S
        if durable:
            self._synced_at = self._kept_at
        self._save(durable, text=self._text)
        self._publish(window_of(self._trace), figures=figures_of(self._trace))

    def _settle(self, state: MessageState, **fields: Any) -> None:
        """The last update. A reply that never began keeps no figures."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._trace.arrivals:
            fields |= {"figures": figures_of(self._trace)}
            fields |= {"language": detect(self._text), "kind": text_kind_of(self._text)}
            self._keep_trace()
        self._save(state=state, text=self._text, **fields)

    def _keep_trace(self) -> None:
        try:
            Traces(self._store).keep(self.latest.reply.id, self._trace)
        except StoreError as error:
            _log.warning("the record of a reply could not be kept: %s", error)

    def _save(self, durable: bool = True, **fields: Any) -> None:
        """To disk, then to whoever watches. A store that fails does not end the reply: the
        text stays on the page and the update says what is wrong with the disk."""
        try:
            self._store.update_message(self.latest.reply.id, durable=durable, **fields)
        except StoreError as error:
            _log.warning("a reply could not be saved: %s", error)
            fields = {"error": error.key, "error_values": error.values} | fields
        self._publish(**fields)

    def _publish(
        self, now: Window | None = None, dropped_messages: int | None = None, **fields: Any
    ) -> None:
        self.latest = replace(
            self.latest,
            reply=replace(self.latest.reply, **fields),
            now=now or self.latest.now,
            dropped_messages=(
                self.latest.dropped_messages if dropped_messages is None else dropped_messages
            ),
        )
        self._changed.set()
