"""Comparisons on disk: kept, listed, read again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from chatapp.chat.store import Store
from chatapp.chat.traces import document, trace_from
from chatapp.domain import Role, Sampling
from chatapp.errors import StoreError
from chatapp.measure.compare.arms import Comparison, Run, Setting


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list: what was compared and the rounds' ratios."""

    id: int
    created: float
    prompt: str
    language: str
    ratios: tuple[float, ...]
    simulated: bool


class Comparisons:
    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, comparison: Comparison) -> Comparison:
        """Written down; what comes back has its number. One without any run is not kept."""
        if not comparison.runs:
            return comparison
        setting = comparison.setting
        with self._store.write() as db:
            added = db.execute(
                "INSERT INTO comparison (created, machine, pair, tree, language, kind,"
                " simulated, ratios, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    comparison.created,
                    *(setting.machine, setting.pair, setting.tree),
                    *(comparison.language, comparison.kind, setting.simulated_accept_length),
                    json.dumps(comparison.ratios()),
                    json.dumps(as_document(comparison), ensure_ascii=False),
                ),
            )
        return replace(comparison, id=int(added.lastrowid or 0))

    def all(self, limit: int = 100) -> list[Listed]:
        """The newest first."""
        rows = self._store.read(
            "SELECT id, created, language, ratios, simulated,"
            " json_extract(document, '$.messages[#-1][1]') AS prompt"
            " FROM comparison ORDER BY id DESC LIMIT ?",
            limit,
        )
        return [
            Listed(
                row["id"],
                row["created"],
                str(row["prompt"]),
                row["language"],
                tuple(json.loads(row["ratios"])),
                row["simulated"] is not None,
            )
            for row in rows
        ]

    def one(self, comparison_id: int) -> Comparison:
        rows = self._store.read("SELECT document FROM comparison WHERE id = ?", comparison_id)
        if not rows:
            raise StoreError("store_no_comparison")
        return replace(from_document(json.loads(rows[0]["document"])), id=comparison_id)

    def delete(self, comparison_id: int) -> None:
        with self._store.write() as db:
            db.execute("DELETE FROM comparison WHERE id = ?", (comparison_id,))


def as_document(comparison: Comparison) -> dict[str, Any]:
    """Everything of it, as JSON holds it."""
    runs = [asdict(run) | {"trace": document(run.trace)} for run in comparison.runs]
    return asdict(comparison) | {"runs": runs}


def from_document(told: dict[str, Any]) -> Comparison:
    sampling = told["sampling"] | {"stop": tuple(told["sampling"]["stop"])}
    runs = (Run(**run | {"trace": trace_from(run["trace"])}) for run in told["runs"])
    return Comparison(
        **told
        | {
            "messages": tuple((Role(role), text) for role, text in told["messages"]),
            "sampling": Sampling(**sampling),
            "setting": Setting(**told["setting"]),
            "runs": tuple(runs),
        }
    )
