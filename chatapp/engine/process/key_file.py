"""The engine's key stands in a file of its person: everybody on a machine sees command lines."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

_KEY, _CONFIG = "--api-key", "--config"
_BEFORE_FLAGS = 3  # python -m sglang.launch_server


def with_key_file(command: Sequence[str], path: Path) -> list[str]:
    """``command`` with its key in the file ``path``, which SGLang reads as its ``--config``.
    What stands in a configuration that the person gave goes along. Raises OSError."""
    words, key = _without(command, _KEY)
    words, given = _without(words, _CONFIG)
    lines = Path(given).read_text("utf-8").rstrip("\n") + "\n" if given else ""
    _write(path, f"{lines}api-key: {json.dumps(key)}\n")
    return [*words[:_BEFORE_FLAGS], _CONFIG, str(path), *words[_BEFORE_FLAGS:]]


def _without(command: Sequence[str], flag: str) -> tuple[list[str], str | None]:
    """The command without ``flag`` and its value, and that value."""
    words = list(command)
    if flag not in words:
        return words, None
    at = words.index(flag)
    return words[:at] + words[at + 2 :], words[at + 1]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
