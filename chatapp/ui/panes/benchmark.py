"""The Benchmark pane: the published table repeated here, and the race of trees."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from chatapp.application.experiments import reports
from chatapp.application.experiments.mt_bench_run import MtBenchState
from chatapp.application.experiments.runner import State
from chatapp.application.experiments.tune_run import TuneState
from chatapp.errors import error_words
from chatapp.measure.bench import bench_report as report
from chatapp.measure.bench import tune_report
from chatapp.measure.bench.questions import SETS, set_for
from chatapp.measure.bench.report_document import MtBenchReport
from chatapp.measure.bench.tuning import Attempt, Landscape
from chatapp.measure.stats import Estimate
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render
from chatapp.units import duration

PARALLEL = ("1", "4", "1,4")
LIMITS = (4, 8, 0)
TOKENS = (64, 256, 512)


@dataclass(frozen=True, slots=True)
class BenchmarkForm:
    """``questions`` is one of ours or a file of the person's; None: what fits the pair.
    ``limit`` 0: all questions."""

    questions: str | None = None
    parallel: str = "1"
    limit: int = 4
    tokens: int = 256


@dataclass(frozen=True, slots=True)
class TreeBar:
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
    form: BenchmarkForm,
    bench: State[MtBenchState] | None,
    tune: State[TuneState] | None,
    folder: Path,
    running: str | None,
    pair_name: str,
) -> Markup:
    found = bench.so_far.report if bench else None
    newest = reports.tables(folder)
    if found is None and newest:
        found = reports.read(newest[0])
    landscape = tune.so_far.landscape if tune else None
    return render(
        "benchmark",
        texts,
        form=form,
        choices={"parallel": PARALLEL, "limits": LIMITS, "tokens": TOKENS},
        sets=[(name, texts(f"benchmark.sets.{name}")) for name in SETS]
        + [(path.name, path.name) for path in reports.own_questions(folder)],
        chosen=form.questions or set_for(pair_name),
        own_folder=str(reports.own_folder(folder)),
        running=running,
        status=_bench_status(texts, bench),
        failed=bool(bench and bench.stage == "failed"),
        progress=_progress(bench),
        told=_table(texts, found) if found else None,
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


def bars(texts: Texts, landscape: Landscape) -> list[TreeBar]:
    return [_bar(texts, landscape, attempt) for attempt in landscape.attempts]


def _bar(texts: Texts, landscape: Landscape, attempt: Attempt) -> TreeBar:
    speedup, top = attempt.speedup, _top(landscape)
    current = attempt is landscape.current
    notes = []
    if current:
        notes.append(texts("benchmark.current"))
    if attempt.gave_up:
        notes.append(tune_report.left_words(landscape, attempt, texts))
    if attempt.failure:
        notes.append(texts(f"errors.{attempt.failure}.what"))
    return TreeBar(
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


def _table(texts: Texts, found: MtBenchReport) -> dict[str, Any]:
    groups = [(row, found.categories_of(row)) for row in found.rows] if found.categories else []
    return {
        "head": report.headings(texts, found.baseline),
        "rows": [report.cells(row) for row in found.rows],
        "categories": [
            (f"{row.set} × {row.parallel}", [report.cells(one) for one in parts])
            for row, parts in groups
        ],
        "published": [report.published_cells(row) for row in found.published],
        "machine": found.published[0].machine if found.published else "",
        "facts": report.facts(texts, found),
        "identical": report.identical(texts, found),
        "simulated": found.setting.simulated_accept_length,
    }


def _report(texts: Texts, path: Path) -> dict[str, str]:
    page = reports.page(path, texts.language)
    if not page.exists():  # one from before there were pages in both languages
        page = path.with_suffix(".html")
    when = path.stem.removeprefix("mt-bench-")
    return {"when": when, "json": path.name, "html": page.name}


def _bench_status(texts: Texts, state: State[MtBenchState] | None) -> str:
    if state is None:
        return ""
    if state.error is not None:
        return error_words(texts, state.error.key, state.error.values)
    if state.stage != "running":
        return texts(f"benchmark.stage.{state.stage}")
    progress = state.so_far.progress
    if progress is None:
        return texts("benchmark.stage.warming")
    side = texts("compare.on" if progress.block.arm == "on" else "compare.off")
    what = f"{progress.block.set.name} × {progress.block.parallel}, {side}"
    left = duration(progress.seconds_left)
    return texts("mtbench.progress", done=progress.done, total=progress.total, what=what, left=left)


def _tune_status(texts: Texts, state: State[TuneState] | None) -> str:
    if state is None:
        return ""
    if state.error is not None:
        return error_words(texts, state.error.key, state.error.values)
    racing = state.so_far.racing
    if state.stage == "running" and racing is not None:
        key = "starting" if racing.starting else "racing"
        return texts(f"benchmark.stage.{key}", tree=racing.tree)
    return texts(f"benchmark.stage.{state.stage}") if state.stage != "finished" else ""


def _progress(state: State[MtBenchState] | None) -> float | None:
    if state is None or state.stage != "running" or state.so_far.progress is None:
        return None
    progress = state.so_far.progress
    return round(100 * progress.done / max(progress.total, 1), 1)
