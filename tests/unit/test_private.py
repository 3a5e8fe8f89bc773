"""Nobody else of the same machine reads what a person writes here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp import locations
from chatapp.chat.store import Store
from chatapp.private import private_folder


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def an_open_handed_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_the_folder_and_the_store_are_closed_to_others(data_dir: Path) -> None:
    folder = data_dir / "new" / "data"
    Store(locations.store(folder)).close()
    assert mode(folder) == 0o700
    assert {mode(path) for path in folder.iterdir()} == {0o600}


def test_what_an_older_version_left_readable_is_closed(data_dir: Path) -> None:
    files = [data_dir / name for name in ("eaglechat.sqlite3", "error.log", "running.json")]
    report = data_dir / "bench" / "report.json"
    report.parent.mkdir()
    for path in (*files, report):
        path.write_text("secret")
        path.chmod(0o644)
    data_dir.chmod(0o755)
    private_folder(data_dir)
    assert mode(data_dir) == 0o700
    assert {mode(path) for path in (*files, report)} == {0o600}


def test_files_of_the_person_in_the_same_folder_are_left_alone(data_dir: Path) -> None:
    other = data_dir / "holiday.jpg"
    other.write_bytes(b"")
    other.chmod(0o644)
    private_folder(data_dir)
    assert mode(other) == 0o644


def test_what_a_command_makes_is_private(data_dir: Path) -> None:
    code = "import os; from chatapp.cli import run; run(['pairs', 'list']); os.mkdir('made')"
    subprocess.run([sys.executable, "-c", code], cwd=data_dir, check=True, capture_output=True)
    assert mode(data_dir / "made") == 0o700
