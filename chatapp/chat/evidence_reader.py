"""What was measured so far: the averages over all replies, and what verdicts rest on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from chatapp.chat.store import Store, figures_from
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.verdict import Observation
from chatapp.measure.reply.averages import Averages, Measured, averages

# One read, whose rows are only made when there is other evidence than the last time.
_READ = """
WITH now(mark) AS (
    SELECT (SELECT count(figures) || ' ' || ifnull(max(id), 0) FROM message)
        || '/' || (SELECT count(*) || ' ' || ifnull(max(id), 0) FROM comparison)
)
SELECT mark, NULL AS setting, NULL AS language, NULL AS kind, NULL AS figures, NULL AS ratios
    FROM now
UNION ALL
SELECT mark, NULL, language, kind, figures, NULL
    FROM now CROSS JOIN message WHERE mark != ? AND figures IS NOT NULL
UNION ALL
SELECT mark, json_array(machine, pair, tree), language, kind, NULL, ratios
    FROM now CROSS JOIN comparison WHERE mark != ? AND simulated IS NULL
"""
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """``averages`` over all replies ever measured; ``comparisons`` with the machine, pair and
    tree of each, none of them simulated."""

    averages: Averages
    comparisons: tuple[tuple[_Key, Observation], ...]

    def observations(self, setting: Setting) -> list[Observation]:
        """What was measured on this machine with this pair and tree."""
        wanted = (setting.machine, setting.pair, setting.tree)
        return [observation for key, observation in self.comparisons if key == wanted]


class EvidenceReader:
    """Reads anew only what has changed, whoever changed it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mark = ""
        self._evidence = _evidence(())

    def read(self) -> Evidence:
        head, *rows = self._store.read(_READ, self._mark, self._mark)
        if head["mark"] != self._mark:
            self._evidence, self._mark = _evidence(rows), head["mark"]
        return self._evidence


def _evidence(rows: Iterable[sqlite3.Row]) -> Evidence:
    replies, comparisons = [], []
    for row in rows:
        if (figures := figures_from(row["figures"])) is not None:
            replies.append(Measured(row["language"], row["kind"], figures))
        else:
            machine, pair, tree = json.loads(row["setting"])
            ratios = tuple(json.loads(row["ratios"]))
            observation = Observation(row["language"], row["kind"], ratios)
            comparisons.append(((machine, pair, tree), observation))
    return Evidence(averages(replies), tuple(comparisons))
