"""The mark of a finished install: written last, in one move, inside ``.venv``.

It holds a fingerprint of everything that the install followed from: the requirement
files, the package's own metadata, the interpreter and the place of the checkout. An
install whose mark is missing or different is not finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from pathlib import Path

from chatapp import locations

_FORMAT = "1"


def requirement_files(name: str) -> list[Path]:
    """The file of the set ``name`` and those that it includes, in that order."""
    files = [locations.assets() / "requirements" / f"{name}.txt"]
    for line in files[0].read_text("utf-8").splitlines():
        if line.startswith("-r "):
            files.append(files[0].with_name(line[3:].strip()))
    return files


def python() -> Path:
    return locations.venv() / "bin" / "python"


def fingerprint(name: str) -> str:
    digest = hashlib.sha256()
    parts = [_FORMAT, name, os.path.realpath(python()), str(locations.project())]
    digest.update("\0".join(parts).encode())
    for path in requirement_files(name):
        digest.update(path.read_bytes())
    digest.update(_metadata())
    return digest.hexdigest()


def _metadata() -> bytes:
    """What of pyproject.toml an install follows from; the rules of the gates stand there too."""
    told = tomllib.loads((locations.project() / "pyproject.toml").read_text("utf-8"))
    parts = [told.get("build-system"), told.get("project"), told.get("tool", {}).get("hatch")]
    return json.dumps(parts, sort_keys=True).encode()


def is_current(name: str) -> bool:
    """Whether the set ``name`` is installed whole and as the files say now."""
    try:
        return os.access(python(), os.X_OK) and _path(name).read_text() == fingerprint(name)
    except OSError:
        return False


def write(name: str) -> None:
    draft = _path(name).with_suffix(".new")
    draft.write_text(fingerprint(name))
    draft.replace(_path(name))


def remove(name: str) -> None:
    _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    # Both engine sets share one mark: they cannot be installed side by side.
    return locations.venv() / f"eaglechat-{'test' if name == 'test' else 'engine'}.stamp"
