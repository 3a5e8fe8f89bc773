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
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from chatapp import locations
from chatapp.chat.language import detect
from chatapp.chat.messages import cells as width
from chatapp.commands.bench_pair import measured_pair
from chatapp.commands.json_output import print_json
from chatapp.devices import engine_device
from chatapp.domain import Pair, Sampling
from chatapp.engine.process.engine import Engine
from chatapp.engine.process.temporary import temporary_engine
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import UsageError
from chatapp.measure.bench import bench_report
from chatapp.measure.bench.job import Arm, Job
from chatapp.measure.bench.journal import Journal
from chatapp.measure.bench.mt_bench import Bench, Progress
from chatapp.measure.bench.questions import own_sets, read_questions
from chatapp.measure.compare.arms import Setting
from chatapp.measure.machine.setting import setting_of
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language

MAX_TOKENS = 512
Say = Callable[..., None]

# Which arms run on one engine, and whether that engine has a draft.
_PASSES: dict[str, tuple[tuple[tuple[Arm, ...], bool], ...]] = {
    "off": ((("on", "off"), True),),
    "plain": ((("on",), True), (("plain",), False)),
}


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())
    show = _Show(texts)
    pair = measured_pair(arguments, settings)
    job = job_of(arguments, pair)
    try:
        told = asyncio.run(measure(job, pair, settings, show))
    except KeyboardInterrupt:
        show.end()
        show.say("interrupted")
        return 130
    paths = save(told, settings, texts)
    if wanted := getattr(arguments, "report", None):
        paths.append(_write(Path(wanted), told, texts))
    if arguments.json:
        print_json(told)
    else:
        print(terminal_table(told, texts))
    for path in paths:
        show.say("saved", path=path)
    return 0


def job_of(arguments: Namespace, pair: Pair) -> Job:
    files = [Path(name) for name in getattr(arguments, "questions", ())] or own_sets(pair.name)
    sets = tuple(read_questions(path, detect) for path in files)
    if len({one.name for one in sets}) < len(sets):
        raise UsageError("questions_same_name", name=sets[0].name)
    sampling = Sampling(
        temperature=getattr(arguments, "temperature", 0.0),
        max_tokens=getattr(arguments, "max_tokens", MAX_TOKENS),
        seed=getattr(arguments, "seed", None),
    )
    return Job(
        sets,
        parallel=getattr(arguments, "parallel", (1,)),
        baseline=getattr(arguments, "baseline", "off"),
        limit=getattr(arguments, "limit", None),
        sampling=sampling,
        repeats=getattr(arguments, "repeats", 1),
    )


async def measure(job: Job, pair: Pair, settings: Settings, show: _Show) -> bench_report.Document:
    """Runs what is not in the journal yet; the engines are its own."""
    folder = locations.bench(settings.data_dir)
    prompt = ChatPrompt(pair.target, pair.context_length)
    setting = setting_for(pair, settings)
    journal = Journal(folder / "mt-bench.jsonl", job.fingerprint(setting))
    if journal.answers:
        show.say("goes_on", done=len(journal.answers))
    bench = Bench(job, journal, prompt)
    for arms, speculation in _PASSES[job.baseline]:
        if bench.left(arms):
            async with engine_for(pair, settings, show.say, speculation) as engine:
                async with aclosing(bench.run(engine.client.stream, arms)) as steps:
                    async for progress in steps:
                        show.progress(progress)
    show.end()
    told = bench_report.document(job, setting, journal.all(), time.time())
    told["engine_args"] = list(settings.engine_args)
    told["skipped"] = len(journal.skipped)
    journal.forget()
    return told


@asynccontextmanager
async def engine_for(
    pair: Pair, settings: Settings, say: Say, speculation: bool = True
) -> AsyncIterator[Engine]:
    """An engine of our own that is ready, and gone afterwards."""
    device = engine_device(settings)
    log = locations.bench(settings.data_dir) / "engine.log"
    say("starting", pair=pair.name, tree=pair.tree if speculation else "–")
    async with temporary_engine(pair, device, log, settings.engine_args, speculation) as engine:
        yield engine


def save(told: bench_report.Document, settings: Settings, texts: Texts) -> list[Path]:
    """The document and its two readable forms, named by the time."""
    stem = "mt-bench-" + told["created"][:19].replace(":", "").replace("T", "-")
    folder = locations.bench(settings.data_dir)
    return [_write(folder / f"{stem}.{form}", told, texts) for form in ("json", "html", "md")]


def terminal_table(told: bench_report.Document, texts: Texts) -> str:
    """The published table's columns, and the published figures beside ours."""
    head = bench_report.headings(texts, told["baseline"])
    rows = [bench_report.cells(row) for row in told["rows"]]
    lines = [_lines([head, *rows])]
    if told["published"]:
        lines.append(texts("mtbench.published", machine=told["published"][0]["machine"]))
        lines.append(_lines([head, *map(bench_report.published_cells, told["published"])]))
    if told["categories"]:
        lines.append(_lines([head, *map(bench_report.cells, told["categories"])]))
    notes = [bench_report.identical(texts, told)]
    if told["simulated_accept_length"] is not None:
        notes.append(texts("mtbench.simulated", length=told["simulated_accept_length"]))
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

    def progress(self, progress: Progress) -> None:
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


def duration(seconds: float | None) -> str:
    """``4:05``; unknown is a question mark."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def setting_for(pair: Pair, settings: Settings) -> Setting:
    """Where an engine of this pair would measure."""
    device = engine_device(settings)
    log = locations.bench(settings.data_dir) / "engine.log"
    return setting_of(Engine(pair, device, log).status(), settings.engine_args)


def _write(path: Path, told: bench_report.Document, texts: Texts) -> Path:
    forms = {".html": bench_report.html, ".md": bench_report.markdown}
    render = forms.get(path.suffix)
    text = render(told, texts) if render else json.dumps(told, ensure_ascii=False, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError("bench_report", path=path, reason=error) from error
    return path


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
