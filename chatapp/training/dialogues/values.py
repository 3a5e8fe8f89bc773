"""The rows that topics are about: tables in files, and tables that are computed.

Promises: ``rows(name)`` is the same list on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from chatapp.training.dialogues import clock, numerals, unknown, words
from chatapp.training.dialogues.facts import KNOWN, Row, inflect, table

COMPUTED: dict[str, Callable[[], list[Row]]] = {
    maker.__name__: maker
    for maker in (
        numerals.sums, numerals.differences, numerals.products, numerals.comparisons,
        numerals.parities, numerals.numerals, numerals.followers, numerals.counts,
        numerals.metric, numerals.time_units,
        clock.hours_later, clock.half_hours, clock.clock, clock.weekdays, clock.months,
        words.spellings, words.wishes, words.collections, words.country_triples,
        unknown.strangers, unknown.people, unknown.hard_sums, unknown.tasks,
        unknown.strange_words, unknown.noise,
    )
}  # fmt: skip


@cache
def rows(name: str) -> list[Row]:
    """The rows of a table; an empty name gives one row without slots."""
    if not name:
        return [dict(KNOWN)]
    return [inflect(row) for row in COMPUTED[name]()] if name in COMPUTED else table(name)
