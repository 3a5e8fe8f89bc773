"""What the launcher is doing, on standard error: step, detail, elapsed time.

On a terminal one line that moves; elsewhere plain lines, and one every ten seconds
while a step takes long, so that a log shows that it lives.
"""

from __future__ import annotations

import shutil
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from chatapp.texts import Texts

_HEARTBEAT_S = 10.0


class ProgressDisplay:
    def __init__(self, texts: Texts, steps: int, stream: TextIO | None = None) -> None:
        self._texts = texts
        self._steps = steps
        self._stream = stream or sys.stderr
        self._moving = self._stream.isatty()
        self._began = time.monotonic()
        self._step = 0
        self._name = ""
        self._detail = ""
        self._step_began = self._last = self._began

    @contextmanager
    def step(self, name: str, **values: object) -> Iterator[None]:
        """One step of the install; its name stands under ``launcher.steps``."""
        self._step += 1
        self._name = self._texts(f"launcher.steps.{name}", **values)
        self._detail = ""
        self._step_began = time.monotonic()
        if not self._moving:
            self._line(self._head())
        yield
        self._line(f"{self._head()} ✓ {self._seconds(time.monotonic() - self._step_began)}")

    def detail(self, key: str, **values: object) -> None:
        """What the step is at; words under ``launcher.details``."""
        self._detail = self._texts(f"launcher.details.{key}", **values)
        self.tick()

    def note(self, key: str, **values: object) -> None:
        """One line that stays."""
        self._line(self._texts(f"launcher.{key}", **values))

    def tick(self) -> None:
        """To be called often while something runs."""
        now = time.monotonic()
        text = f"{self._head()} {self._detail} {self._seconds(now - self._began)}"
        if self._moving and now - self._last >= 0.1:
            self._last = now
            self._stream.write(f"\r\x1b[2K{_fit(text, shutil.get_terminal_size().columns - 1)}")
            self._stream.flush()
        elif not self._moving and now - max(self._last, self._step_began) >= _HEARTBEAT_S:
            self._last = now
            self._line(text)

    def _head(self) -> str:
        return f"[{self._step}/{self._steps}] {self._name}"

    def _line(self, text: str) -> None:
        self._stream.write(("\r\x1b[2K" if self._moving else "") + text + "\n")
        self._stream.flush()

    @staticmethod
    def _seconds(value: float) -> str:
        minutes, seconds = divmod(int(value), 60)
        return f"{minutes}:{seconds:02d}"


def _fit(text: str, columns: int) -> str:
    """``text`` cut to so many columns; a Chinese character takes two."""
    width = 0
    for at, character in enumerate(text):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > columns:
            return text[:at]
    return text
