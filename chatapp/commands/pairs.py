"""``pairs``: what pairs there are, whether one fits, and the download of one.

Exit codes: 0; 1 when a check found a problem or a download did not end well; 2 for wrong
use; 130 after an interrupt, which keeps what has arrived.
"""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from typing import Any

from chatapp.commands.json_output import print_json
from chatapp.commands.progress_line import follow
from chatapp.domain import Pair
from chatapp.engine.planning.planner import drafter_of
from chatapp.errors import PairError, UsageError
from chatapp.pairs.catalogue import POCKET, known_pairs
from chatapp.pairs.check import examine
from chatapp.pairs.choice import meant_name
from chatapp.pairs.download.download import MARGIN_BYTES, Download
from chatapp.pairs.download.download_progress import DownloadProgress, DownloadState
from chatapp.pairs.download.sources import sources
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.fit.finding import Finding, Severity, problem
from chatapp.pairs.locate import locate
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language
from chatapp.units import disk_gb


def main(arguments: Namespace, settings: Settings) -> int:
    if arguments.action != "list" and not arguments.name:
        raise UsageError("pairs_without_name", action=arguments.action)
    act = {"list": _list, "check": _check, "download": _download}[arguments.action]
    return act(arguments, settings, Texts(system_language()))


def _list(arguments: Namespace, settings: Settings, texts: Texts) -> int:
    rows = [_row(name, settings) for name in (*known_pairs(), POCKET)]
    if arguments.json:
        print_json({"pairs": rows})
        return 0
    for row in rows:
        place = texts("pairs.here") if row["here"] else _to_load(row, texts)
        meant = texts("pairs.meant") if row["meant"] else ""
        print(f"{row['name']:<12}{row['title']}  ({place}) {meant}".rstrip())
        print(" " * 12 + texts(f"pairs.about.{row['name']}"))
    return 0


def _to_load(row: dict[str, Any], texts: Texts) -> str:
    return texts("pairs.to_load", size=row["size_gb"], minutes=row["minutes"])


def _row(name: str, settings: Settings) -> dict[str, Any]:
    known, models = known_pairs().get(name), ModelFolders(settings.data_dir)
    about: dict[str, Any] = {"name": name, "meant": name == meant_name(settings)}
    if known is None:
        return {
            **about,
            "title": "EagleChat Pocket",
            "here": _pocket_is_here(),
            "size_gb": 0.0,
            "minutes": 0,
        }
    return {
        **about,
        "title": known.title,
        "target": known.target,
        "draft": known.draft,
        "tree": str(known.tree),
        "dtype": known.dtype,
        "context_length": known.context_length,
        "card_gb": known.card_gb,
        "size_gb": round(known.download_bytes / 1e9, 1),
        "minutes": known.download_minutes,
        "here": all(models.find(model) for model in (known.target, known.draft)),
    }


def _pocket_is_here() -> bool:
    try:
        return not examine(locate(POCKET))
    except PairError:
        return False


def _check(arguments: Namespace, settings: Settings, texts: Texts) -> int:
    findings, pair = look(arguments.name, settings)
    ok = all(finding.severity is not Severity.PROBLEM for finding in findings)
    if arguments.json:
        rows = [_finding(finding, texts) for finding in findings]
        report = {"name": arguments.name, "ok": ok, "findings": rows}
        print_json(report)
        return 0 if ok else 1
    for finding in findings:
        mark = "✗" if finding.severity is Severity.PROBLEM else "!"
        print(f"{mark} {finding.words(texts)}")
    if pair is not None and ok:
        print(
            texts(
                "pairs.fits",
                name=pair.name,
                drafter=pair.drafter,
                tree=pair.tree,
                context=pair.context_length,
            )
        )
    return 0 if ok else 1


def look(name: str, settings: Settings) -> tuple[list[Finding], Pair | None]:
    """The findings of a pair; that it cannot be found is one as well."""
    try:
        pair = locate(name, ModelFolders(settings.data_dir), drafter_of(settings))
    except PairError as error:
        return [Finding.of(error), *_room(name, settings)], None
    return examine(pair), pair


def _room(name: str, settings: Settings) -> list[Finding]:
    """Whether the disk has room for a pair of the catalogue that is not here."""
    known = known_pairs().get(name)
    if known is None:
        return []
    place = next(p for p in (settings.data_dir, *settings.data_dir.parents) if p.exists())
    needed, free = known.download_bytes + MARGIN_BYTES, shutil.disk_usage(place).free
    if free >= needed:
        return []
    values = {"needed": disk_gb(needed), "free": disk_gb(free), "place": place}
    return [problem("download_no_room", **values)]


def _finding(finding: Finding, texts: Texts) -> dict[str, str]:
    parts = ("what", "why", "cure")
    words = {part: texts(f"errors.{finding.key}.{part}", **finding.values) for part in parts}
    return {"key": finding.key, "severity": str(finding.severity), **words}


def _download(arguments: Namespace, settings: Settings, texts: Texts) -> int:
    models = ModelFolders(settings.data_dir)
    asked = sources(arguments.source)
    print(texts("pairs.asked", names=" → ".join(s.name for s in asked)), file=sys.stderr)
    download = Download(arguments.name, models, lambda: asked)
    download.start()
    progress = follow(download, texts)
    if progress.state is DownloadState.FAILED:
        error = PairError(progress.error or "unforeseen", **progress.error_values)
        print(error.words(texts), file=sys.stderr)
    if arguments.json:
        print_json(_outcome(progress))
    if progress.state is not DownloadState.FINISHED:
        return 130 if progress.state is DownloadState.PAUSED else 1
    return 0 if arguments.json else _check(arguments, settings, texts)


def _outcome(progress: DownloadProgress) -> dict[str, Any]:
    return {
        "name": progress.name,
        "ok": progress.state is DownloadState.FINISHED,
        "state": str(progress.state),
        "source": progress.source,
        "bytes": progress.done,
        "total_bytes": progress.total,
        "error": progress.error,
        "files": [
            {"model": file.model, "path": file.path, "size": file.size, "done": file.done}
            for file in progress.files
        ],
    }
