"""``bench mt-bench``: repeats the published table with this pair on this machine.

The table, or with ``--json`` the document alone, goes to standard output, everything
else to standard error. The report lies in the data directory, and where ``--report`` says.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from argparse import Namespace
from pathlib import Path

from chatapp import locations
from chatapp.application.experiments import mt_bench_run, reports
from chatapp.application.experiments.mt_bench_run import MtBenchState
from chatapp.chat.messages import cells as width
from chatapp.commands.bench_engines import measured
from chatapp.commands.json_output import print_json
from chatapp.domain import Sampling
from chatapp.errors import UsageError
from chatapp.measure.bench import bench_report
from chatapp.measure.bench.job import Job
from chatapp.measure.bench.questions import own_sets
from chatapp.measure.bench.report_document import MtBenchReport, as_json
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language
from chatapp.units import duration

MAX_TOKENS = 512


def main(arguments: Namespace, settings: Settings) -> int:
    texts, folder = Texts(system_language()), locations.bench(settings.data_dir)
    show = _Show(texts)
    try:
        report = asyncio.run(_measure(arguments, settings, folder, show))
    except KeyboardInterrupt:
        show.end()
        show.say("interrupted")
        return 130
    show.end()
    kept = reports.table_path(report, folder)
    paths = [kept, reports.page(kept, texts.language), kept.with_suffix(".md")]
    _write(paths[-1], report, texts)
    if wanted := getattr(arguments, "report", None):
        paths.append(Path(wanted))
        _write(paths[-1], report, texts)
    if arguments.json:
        print_json(as_json(report))
    else:
        print(terminal_table(report, texts))
    for path in paths:
        show.say("saved", path=path)
    return 0


async def _measure(
    arguments: Namespace, settings: Settings, folder: Path, show: _Show
) -> MtBenchReport:
    async with measured(arguments, settings, show.say) as engines:
        job = job_of(arguments, engines.setting().pair)
        return await mt_bench_run.run(job, engines, folder, show)


def job_of(arguments: Namespace, pair_name: str) -> Job:
    files = [Path(name) for name in getattr(arguments, "questions", ())]
    sampling = Sampling(
        temperature=getattr(arguments, "temperature", 0.0),
        max_tokens=getattr(arguments, "max_tokens", MAX_TOKENS),
        seed=getattr(arguments, "seed", None),
    )
    return mt_bench_run.job_of(
        files or own_sets(pair_name),
        sampling,
        parallel=getattr(arguments, "parallel", (1,)),
        limit=getattr(arguments, "limit", None),
        baseline=getattr(arguments, "baseline", "off"),
        repeats=getattr(arguments, "repeats", 1),
    )


def terminal_table(report: MtBenchReport, texts: Texts) -> str:
    """The published table's columns, and the published figures beside ours."""
    head = bench_report.headings(texts, report.baseline)
    rows = [bench_report.cells(row) for row in report.rows]
    lines = [_lines([head, *rows])]
    if report.published:
        lines.append(texts("mtbench.published", machine=report.published[0].machine))
        lines.append(_lines([head, *map(bench_report.published_cells, report.published)]))
    if report.categories:
        lines.append(_lines([head, *map(bench_report.cells, report.categories)]))
    notes = [bench_report.identical(texts, report)]
    if (length := report.setting.simulated_accept_length) is not None:
        notes.append(texts("mtbench.simulated", length=length))
    return "\n\n".join([*lines, *filter(None, notes)])


class _Show:
    """Progress and status on standard error: one line that changes, or plain lines where
    nobody watches."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._live = sys.stderr.isatty()
        self._shown = 0.0

    def say(self, key: str, **values: object) -> None:
        print(self._texts(f"mtbench.{key}", **values), file=sys.stderr, flush=True)

    def __call__(self, state: MtBenchState) -> None:
        progress = state.progress
        if progress is None:
            if state.found and state.report is None:
                self.say("goes_on", done=state.found)
            return
        now = time.monotonic()
        if not self._live and now - self._shown < 30 and progress.done < progress.total:
            return
        self._shown = now
        line = self._texts(
            "mtbench.progress",
            done=progress.done,
            total=progress.total,
            what=f"{progress.block.set.name} × {progress.block.parallel} {progress.block.arm}",
            left=duration(progress.seconds_left),
        )
        print(f"\r\033[K{line}" if self._live else line, end="" if self._live else "\n",
              file=sys.stderr, flush=True)  # fmt: skip

    def end(self) -> None:
        if self._live:
            print(file=sys.stderr)


def _write(path: Path, report: MtBenchReport, texts: Texts) -> None:
    forms = {".html": bench_report.html, ".md": bench_report.markdown}
    render = forms.get(path.suffix)
    if render:
        text = render(report, texts)
    else:
        text = json.dumps(as_json(report), ensure_ascii=False, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError("bench_report", path=path, reason=error) from error


def _lines(rows: list[list[str]]) -> str:
    """Columns under each other; Chinese characters are two wide."""
    widths = [max(_width(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell + " " * (wide - _width(cell)) if at == 0 else " " * (wide - _width(cell)) + cell
            for at, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _width(text: str) -> int:
    return sum(width(char) for char in text)
