"""The answers of a benchmark on disk, as they come: what lets it go on after an end."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatapp.domain import ReplyMetrics
from chatapp.measure.bench.job import Answer, Key
from chatapp.measure.json_form import tuples


class Journal:
    """The answers so far, one question a line. Another job's journal is begun anew."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self.answers: dict[Key, list[Answer]] = {}
        self.skipped: set[Key] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._read(fingerprint):
            path.write_text(json.dumps({"job": fingerprint}) + "\n", "utf-8")

    def add(self, key: Key, answers: list[Answer]) -> None:
        """No answers: the question was too long for the target."""
        line = {"key": key, "answers": [asdict(answer) for answer in answers]}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._take(key, answers)

    def knows(self, key: Key) -> bool:
        return key in self.answers or key in self.skipped

    def all(self) -> list[Answer]:
        return [answer for answers in self.answers.values() for answer in answers]

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def _take(self, key: Key, answers: list[Answer]) -> None:
        if answers:
            self.answers[key] = answers
        else:
            self.skipped.add(key)

    def _read(self, fingerprint: str) -> bool:
        """False when there is no journal of this job. A line that a crash cut is left out."""
        try:
            first, *lines = self._path.read_text("utf-8").splitlines()
            if json.loads(first) != {"job": fingerprint}:
                return False
        except (OSError, ValueError):
            return False
        kept = [first]
        for line in lines:
            try:
                told = json.loads(line)
                self._take(tuple(told["key"]), [_answer(one) for one in told["answers"]])
            except (ValueError, KeyError, TypeError):
                continue
            kept.append(line)
        self._path.write_text("\n".join(kept) + "\n", "utf-8")
        return True


def _answer(told: dict[str, Any]) -> Answer:
    return Answer(**told | {"figures": ReplyMetrics(**tuples(told["figures"]))})
