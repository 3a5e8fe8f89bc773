"""The replies that are being written, for any number of tabs that watch.

A reply belongs to the tab that asked for it. When that tab goes and no other shows the
conversation, the reply is stopped; what was written of it is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from chatapp.application.latest import Latest
from chatapp.chat.turns import TurnUpdate

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RunningTurn:
    """``speculation`` is the toggle as it was when the reply began."""

    owner: str
    speculation: bool
    latest: Latest[TurnUpdate]
    task: asyncio.Task[None] | None = field(default=None)

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])


class RunningTurns:
    """``changed`` is called when a reply begins or ends."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._turns: dict[int, RunningTurn] = {}

    def get(self, conversation_id: int | None) -> RunningTurn | None:
        return self._turns.get(conversation_id) if conversation_id is not None else None

    def ids(self) -> frozenset[int]:
        return frozenset(self._turns)

    def owned_by(self, tab: str) -> list[tuple[int, RunningTurn]]:
        return [(id_, turn) for id_, turn in self._turns.items() if turn.owner == tab]

    async def start(
        self, owner: str, speculation: bool, updates: AsyncIterator[TurnUpdate]
    ) -> RunningTurn | None:
        """Read ``updates`` in a task of its own. What is wrong with the message is raised
        here, before there is a task; None when there is nothing to do."""
        first = await anext(updates, None)
        if first is None:
            return None
        turn = RunningTurn(owner, speculation, Latest(first))
        self._turns[first.conversation_id] = turn
        turn.task = asyncio.create_task(self._read(first.conversation_id, turn, updates))
        self._changed()
        return turn

    async def _read(
        self, conversation_id: int, turn: RunningTurn, updates: AsyncIterator[TurnUpdate]
    ) -> None:
        try:
            async with aclosing(updates):  # type: ignore[type-var]
                async for update in updates:
                    turn.latest.put(update)
        except asyncio.CancelledError:
            pass
        except Exception:
            _log.exception("a reply ended unexpectedly")
        finally:
            del self._turns[conversation_id]
            turn.latest.close()
            self._changed()
