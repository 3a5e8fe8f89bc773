"""The Benchmark pane: the published table repeated here, and the race of trees."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from chatapp.application.experiments import State
from chatapp.errors import error_words
from chatapp.measure.bench import bench_report as report
from chatapp.measure.bench import tune_report
from chatapp.measure.bench.tuning import Attempt, Landscape
from chatapp.measure.stats import Estimate
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render

PARALLEL = ("1", "4", "1,4")
LIMITS = (4, 8, 0)
TOKENS = (64, 256, 512)
SETS = ("pocket", "questions")
OWN = "questions"


@dataclass(frozen=True, slots=True)
class Form:
    """``questions`` is one of ours or a file of the person's; None: what fits the pair.
    ``limit`` 0: all questions."""

    questions: str | None = None
    parallel: str = "1"
    limit: int = 4
    tokens: int = 256


@dataclass(frozen=True, slots=True)
class Bar:
    """One tree of the landscape; shares are of the picture's width."""

    tree: str
    share: float
    low: float | None
    high: float | None
    value: str
    speed: str
    accept: str
    note: str
    best: bool
    current: bool
    left: bool


def pane(
    texts: Texts,
    form: Form,
    bench: State | None,
    tune: State | None,
    folder: Path,
    running: str | None,
    pair_name: str,
) -> Markup:
    told = bench.report if bench and bench.report else None
    newest = reports(folder)
    if told is None and newest:
        told = _read(newest[0])
    landscape = tune.racing.landscape if tune and tune.racing else None
    return render(
        "benchmark",
        texts,
        form=form,
        choices={"parallel": PARALLEL, "limits": LIMITS, "tokens": TOKENS},
        sets=[(name, texts(f"benchmark.sets.{name}")) for name in SETS]
        + [(path.name, path.name) for path in own_files(folder)],
        chosen=form.questions or fitting(pair_name),
        own_folder=str(folder / OWN),
        running=running,
        status=_bench_status(texts, bench),
        failed=bool(bench and bench.stage == "failed"),
        progress=_progress(bench),
        told=_table(texts, told) if told else None,
        reports=[_report(texts, path) for path in newest[:8]],
        tune_status=_tune_status(texts, tune),
        tune_failed=bool(tune and tune.stage == "failed"),
        bars=bars(texts, landscape) if landscape else [],
        tune_simulated=landscape.setting.simulated_accept_length if landscape else None,
        one=_one(landscape),
        conclusion=tune_report.conclusion(landscape, texts)
        if landscape and tune and tune.ended
        else "",
        offered=str(landscape.best.tree)
        if landscape and landscape.worth_changing and landscape.best
        else "",
    )


def fitting(pair_name: str) -> str:
    """Our set for a pair: the pocket pair is asked what it knows."""
    return SETS[0] if pair_name == "pocket" else SETS[1]


def own_files(folder: Path) -> list[Path]:
    """Question files that the person has put there, in FastChat's form."""
    return sorted((folder / OWN).glob("*.jsonl"))


def reports(folder: Path) -> list[Path]:
    """The finished ones, the newest first."""
    return sorted(folder.glob("mt-bench-*.json"), reverse=True)


def bars(texts: Texts, landscape: Landscape) -> list[Bar]:
    return [_bar(texts, landscape, attempt) for attempt in landscape.attempts]


def _bar(texts: Texts, landscape: Landscape, attempt: Attempt) -> Bar:
    speedup, top = attempt.speedup, _top(landscape)
    current = attempt is landscape.current
    notes = []
    if current:
        notes.append(texts("benchmark.current"))
    if attempt.gave_up:
        notes.append(tune_report.left_words(landscape, attempt, texts))
    if attempt.failure:
        notes.append(texts(f"errors.{attempt.failure}.what"))
    return Bar(
        tree=str(attempt.tree),
        share=_share(speedup.value if speedup else 0.0, top) or 0.0,
        low=_share(speedup.low if speedup else None, top),
        high=_share(speedup.high if speedup else None, top),
        value=f"{speedup.value:.2f}×" if speedup else number_format.NONE,
        speed=number_format.speed(attempt.tokens_per_second),
        accept=number_format.length(attempt.accept_length),
        note=" · ".join(notes),
        best=attempt is landscape.best,
        current=current,
        left=attempt.gave_up,
    )


def _top(landscape: Landscape) -> float:
    """What the picture's width stands for: the end of the longest interval."""
    known: list[Estimate] = [a.speedup for a in landscape.attempts if a.speedup]
    values = [min(one.high or one.value, 1.5 * one.value) for one in known]
    return max([*values, 1.0])


def _share(value: float | None, top: float) -> float | None:
    return None if value is None else round(100 * min(value / top, 1), 1)


def _one(landscape: Landscape | None) -> float | None:
    """Where 1× is in the picture: as fast as switched off."""
    return _share(1.0, _top(landscape)) if landscape else None


def _table(texts: Texts, told: dict[str, Any]) -> dict[str, Any]:
    head = report.headings(texts, told["baseline"])
    return {
        "head": head,
        "rows": [report.cells(row) for row in told["rows"]],
        "categories": [
            (f"{row['set']} × {row['parallel']}", [
                report.cells(one) for one in told["categories"]
                if (one["set"], one["parallel"]) == (row["set"], row["parallel"])
            ])
            for row in told["rows"]
        ] if told["categories"] else [],
        "published": [report.published_cells(row) for row in told["published"]],
        "machine": told["published"][0]["machine"] if told["published"] else "",
        "facts": report.facts(texts, told),
        "identical": report.identical(texts, told),
        "simulated": told["simulated_accept_length"],
    }  # fmt: skip


def _report(texts: Texts, path: Path) -> dict[str, str]:
    stem = path.stem
    when = stem.removeprefix("mt-bench-")
    page = f"{stem}.{texts.language}.html"
    there = (path.parent / page).exists()
    return {"when": when, "json": path.name, "html": page if there else f"{stem}.html"}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return told
    except (OSError, ValueError):
        return None


def _bench_status(texts: Texts, state: State | None) -> str:
    if state is None:
        return ""
    if state.error is not None:
        return error_words(texts, state.error.key, state.error.values)
    if state.stage == "running" and state.progress is not None:
        progress = state.progress
        side = texts("compare.on" if progress.block.arm == "on" else "compare.off")
        what = f"{progress.block.set.name} × {progress.block.parallel}, {side}"
        left = _duration(progress.seconds_left)
        return texts(
            "mtbench.progress", done=progress.done, total=progress.total, what=what, left=left
        )
    return texts(f"benchmark.stage.{state.stage}")


def _tune_status(texts: Texts, state: State | None) -> str:
    if state is None:
        return ""
    if state.error is not None:
        return error_words(texts, state.error.key, state.error.values)
    if state.stage == "running" and state.racing is not None:
        key = "starting" if state.racing.starting else "racing"
        return texts(f"benchmark.stage.{key}", tree=state.racing.tree)
    return texts(f"benchmark.stage.{state.stage}") if state.stage != "finished" else ""


def _progress(state: State | None) -> float | None:
    if state is None or state.stage != "running" or state.progress is None:
        return None
    return round(100 * state.progress.done / max(state.progress.total, 1), 1)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
