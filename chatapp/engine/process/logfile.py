"""The engine's log: a new file per start, the last three kept, its end in memory."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import BinaryIO

KEEP = 3
_TAIL_LINES = 400


def rotate(path: Path) -> BinaryIO:
    """Moves older logs aside and opens a new one. Only the owner may read it: SGLang writes
    its arguments there, the key among them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(KEEP - 1, 0, -1):
        older = path if number == 1 else _aside(path, number - 1)
        if older.exists():
            older.replace(_aside(path, number))
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    return os.fdopen(os.open(path, flags, 0o600), "wb")


class LogTail:
    """Reads on from where it was; keeps the last lines."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)

    def read(self) -> list[str]:
        """The complete lines that are new."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        lines = [line.decode("utf-8", "replace").rstrip() for line in whole]
        lines = [line for line in lines if line]
        self._lines.extend(lines)
        return lines

    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    def close(self) -> None:
        self._file.close()


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")
