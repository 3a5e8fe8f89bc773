"""What experiments leave in the folder of benchmarks, and what a person puts there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chatapp.errors import UsageError
from chatapp.measure.bench import bench_report
from chatapp.measure.bench.questions import SETS, set_files
from chatapp.measure.bench.report_document import MtBenchReport, as_json, from_json
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


def read(path: Path) -> MtBenchReport | None:
    """None where it cannot be read, or is no report."""
    try:
        return from_json(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_table(report: MtBenchReport, folder: Path) -> None:
    """As JSON, and to read in every language of the page."""
    path = table_path(report, folder)
    _write(path, as_json(report))
    for language in LANGUAGES:
        page(path, language).write_text(bench_report.html(report, Texts(language)), "utf-8")


def table_path(report: MtBenchReport, folder: Path) -> Path:
    return folder / f"{_stem('mt-bench', report.created)}.json"


def page(path: Path, language: str) -> Path:
    """The readable form of a report."""
    return path.with_suffix(f".{language}.html")


def keep_race(told: Mapping[str, Any], folder: Path) -> None:
    """The document of a race of trees."""
    _write(folder / f"{_stem('tune', told['created'])}.json", told)


def _write(path: Path, told: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False), "utf-8")


def _stem(kind: str, created: str) -> str:
    """Such as ``mt-bench-2026-11-24-180312``."""
    return f"{kind}-" + created[:19].replace(":", "").replace("T", "-")
