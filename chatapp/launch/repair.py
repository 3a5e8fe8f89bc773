"""Finds what a killed install left half done, so that pip does not take it for whole.

pip skips a package whose ``.dist-info`` is there, even if it was killed while it
copied the files. It writes ``RECORD`` last, with ``INSTALLER`` in it.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path


def remove_broken(venv: Path) -> list[str]:
    """Removes the metadata of every package that is not whole; gives their names."""
    removed = []
    for site_packages in venv.glob("lib/python*/site-packages"):
        for leftover in site_packages.glob("~*"):
            _remove(leftover)
        for metadata in site_packages.glob("*.dist-info"):
            if not _whole(metadata):
                _remove(metadata)
                removed.append(metadata.name.partition("-")[0])
    return sorted(removed)


def _whole(metadata: Path) -> bool:
    """Whether every file of the record is there in its size."""
    try:
        with (metadata / "RECORD").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        if not any(row and row[0].endswith(".dist-info/INSTALLER") for row in rows):
            return False
        sized = ((metadata.parent / row[0], int(row[2])) for row in rows if row and row[2])
        return all(path.stat().st_size == size for path, size in sized)
    except (OSError, ValueError, IndexError):
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
