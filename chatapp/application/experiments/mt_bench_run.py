"""The published table repeated on this machine: run, written down, gone on with, reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chatapp.application.experiments import reports
from chatapp.application.experiments.engines import Engines
from chatapp.chat.language import detect
from chatapp.domain import Sampling
from chatapp.engine.client import on_one_engine
from chatapp.errors import UsageError
from chatapp.measure.bench.job import Arm, Job
from chatapp.measure.bench.journal import Journal
from chatapp.measure.bench.mt_bench import BenchProgress, MtBench
from chatapp.measure.bench.questions import read_questions
from chatapp.measure.bench.report_document import MtBenchReport, report_of

# Which arms one engine answers, and whether that engine has a draft.
_PASSES: dict[str, tuple[tuple[tuple[Arm, ...], bool], ...]] = {
    "off": ((("on", "off"), True),),
    "plain": ((("on",), True), (("plain",), False)),
}


@dataclass(frozen=True, slots=True)
class MtBenchState:
    """``found``: questions that an earlier run has answered. ``report`` is the table so far,
    at the end with its intervals."""

    found: int = 0
    progress: BenchProgress | None = None
    report: MtBenchReport | None = None


def job_of(
    files: Sequence[Path],
    sampling: Sampling,
    parallel: tuple[int, ...] = (1,),
    limit: int | None = None,
    baseline: Literal["off", "plain"] = "off",
    repeats: int = 1,
) -> Job:
    """Raises UsageError for a file that holds no questions, or two sets of one name."""
    sets = tuple(read_questions(path, detect) for path in files)
    if len({one.name for one in sets}) < len(sets):
        raise UsageError("questions_same_name", name=sets[0].name)
    return Job(sets, parallel, baseline, limit, sampling, repeats)


async def run(
    job: Job, engines: Engines, folder: Path, publish: Callable[[MtBenchState], None]
) -> MtBenchReport:
    """The report, which is in ``folder`` as well. Interrupted, it goes on from there."""
    setting = engines.setting()
    journal = Journal(folder / "mt-bench.jsonl", job.fingerprint(setting))
    found = len(journal.answers)
    bench = MtBench(job, journal, engines.prompt(), machine=engines.machine)
    publish(MtBenchState(found))

    def report(spread: bool) -> MtBenchReport:
        skipped = len(journal.skipped)
        answers, now = journal.all(), time.time()
        return report_of(job, setting, answers, now, engines.arguments, skipped, spread)

    try:
        for arms, draft in _PASSES[job.baseline]:
            if not bench.left(arms):
                continue
            async with engines.open(draft) as engine:
                async with aclosing(bench.run(on_one_engine(engine.client), arms)) as steps:
                    async for progress in steps:
                        publish(MtBenchState(found, progress, report(spread=False)))
    finally:
        whole = report(spread=True)
        publish(MtBenchState(found, report=whole))
    journal.forget()
    reports.keep_table(whole, folder)
    return whole
