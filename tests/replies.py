"""Live replies, followed by a reader that is as quick as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatapp.application.live_reply import LiveReply, ReplyState


def states(live: LiveReply) -> AsyncIterator[ReplyState]:
    return aiter(live.latest.reader(interval=0))


async def last(live: LiveReply) -> ReplyState:
    """How it ended."""
    return [state async for state in states(live)][-1]
