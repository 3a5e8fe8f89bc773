"""The records of replies' streams, from the store, and averages over messages at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from chatapp.chat.store import Store
from chatapp.domain import Message
from chatapp.measure.reply.averages import Averages, Measured, averages
from chatapp.measure.reply.trace import Arrival, Trace


class Traces:
    """Keeps the record of each reply's stream for as long as the reply is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, message_id: int, trace: Trace) -> None:
        with self._store.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO trace VALUES (?, ?)",
                (message_id, json.dumps(document(trace))),
            )

    def of(self, message_id: int) -> Trace | None:
        """None for a reply from before records were kept, or that never began."""
        rows = self._store.read("SELECT document FROM trace WHERE message_id = ?", message_id)
        return trace_from(json.loads(rows[0]["document"])) if rows else None


def averages_of(messages: Iterable[Message]) -> Averages:
    return averages(Measured(m.language, m.kind, m.figures) for m in messages if m.figures)


def document(trace: Trace) -> dict[str, Any]:
    """A trace as JSON holds it: short, since there is one number per token."""
    arrivals = [[a.at, a.tokens, a.steps] for a in trace.arrivals]
    return asdict(trace) | {"arrivals": arrivals}


def trace_from(told: dict[str, Any]) -> Trace:
    """Also of one that was kept before it had a histogram."""
    arrivals = [Arrival(*one) for one in told["arrivals"]]
    lists = {name: tuple(told.get(name, ())) for name in ("token_ids", "step_lengths", "histogram")}
    return Trace(**told | lists | {"arrivals": arrivals})
