"""What the check of a pair found: one thing each, with the key of its sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from chatapp.errors import PairError, error_words
from chatapp.texts import Texts


class Severity(StrEnum):
    """A PROBLEM keeps the engine from using the pair; with a WARNING it runs, worse."""

    PROBLEM = "problem"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """``errors.KEY`` has its sentences: what, why it matters, what to do."""

    key: str
    values: dict[str, str] = field(default_factory=dict)
    severity: Severity = Severity.PROBLEM

    @classmethod
    def of(cls, error: PairError) -> Finding:
        return cls(error.key, error.values)

    def error(self) -> PairError:
        return PairError(self.key, **self.values)

    def words(self, texts: Texts) -> str:
        return error_words(texts, self.key, self.values)


def problem(key: str, **values: object) -> Finding:
    return Finding(key, {name: str(value) for name, value in values.items()})


def warning(key: str, **values: object) -> Finding:
    return Finding(key, {k: str(v) for k, v in values.items()}, Severity.WARNING)
