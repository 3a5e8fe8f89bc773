"""Conversations belong to one person: nobody else of the same machine reads the data folder.

What is made from now on is private by the process's umask, set where a command begins; what
an older version left readable is closed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

UMASK = 0o077
_OURS = (
    "eaglechat.sqlite3*",
    "*.log",
    "*.log.*",
    "running.*",
    "engine*.json",
    "page-key",
    "bench/*",
)


def private_folder(folder: Path) -> Path:
    """Makes ``folder`` where it is not there, and closes it and our files in it to others.
    Raises OSError where it cannot be made; what belongs to somebody else is left alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, mode in _modes(folder):
        _close(path, mode)
    return folder


def _modes(folder: Path) -> Iterator[tuple[Path, int]]:
    yield folder, 0o700
    for pattern in _OURS:
        for path in folder.glob(pattern):
            yield path, 0o700 if path.is_dir() else 0o600


def _close(path: Path, mode: int) -> None:
    try:
        if not path.is_symlink() and path.stat().st_mode & 0o777 & ~mode:
            os.chmod(path, mode)
    except OSError:
        pass  # not ours to change, or gone meanwhile
