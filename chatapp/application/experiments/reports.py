"""What experiments leave in the folder of benchmarks, and what a person puts there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatapp.errors import UsageError
from chatapp.measure.bench import bench_report
from chatapp.measure.bench.questions import SETS, set_files
from chatapp.texts import LANGUAGES, Texts

_OWN = "questions"


def own_folder(folder: Path) -> Path:
    """Where question files of the person's own are looked for."""
    return folder / _OWN


def own_questions(folder: Path) -> list[Path]:
    """In FastChat's form."""
    return sorted(own_folder(folder).glob("*.jsonl"))


def question_files(chosen: str, folder: Path) -> tuple[Path, ...]:
    """Of a set of ours, or of a file of the person's by its name. Raises UsageError."""
    if chosen in SETS:
        return set_files(chosen)
    files = tuple(path for path in own_questions(folder) if path.name == chosen)
    if not files:
        raise UsageError("questions_unreadable", path=chosen, reason="?")
    return files


def tables(folder: Path) -> list[Path]:
    """The reports of finished benchmarks, the newest first."""
    return sorted(folder.glob("mt-bench-*.json"), reverse=True)


def read(path: Path) -> bench_report.Document | None:
    try:
        told: bench_report.Document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told


def keep_table(told: bench_report.Document, folder: Path) -> Path:
    """As JSON, and to read in every language of the page."""
    path = keep("mt-bench", told, folder)
    for language in LANGUAGES:
        page(path, language).write_text(bench_report.html(told, Texts(language)), "utf-8")
    return path


def page(path: Path, language: str) -> Path:
    """The readable form of a report."""
    return path.with_suffix(f".{language}.html")


def keep(kind: str, told: Mapping[str, Any], folder: Path) -> Path:
    """One JSON file, named by the time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem(kind, told)}.json"
    path.write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    return path


def stem(kind: str, told: Mapping[str, Any]) -> str:
    """Such as ``mt-bench-2026-11-24-180312``."""
    created: str = told["created"]
    return f"{kind}-" + created[:19].replace(":", "").replace("T", "-")
