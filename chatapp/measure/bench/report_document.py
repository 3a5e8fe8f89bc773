"""What a benchmark has found, and the JSON document of it, from which every figure can be
recomputed."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from chatapp import locations
from chatapp.domain import Sampling
from chatapp.measure.bench.bench_table import ResultRow, table
from chatapp.measure.bench.job import Answer, Job
from chatapp.measure.compare.arms import Setting
from chatapp.measure.json_form import tuples
from chatapp.texts import Texts


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """What others published, measured on ``machine``."""

    set: str
    parallel: int
    tokens_per_second: float
    accept_length: float
    baseline_tokens_per_second: float
    speedup: float
    machine: str


@dataclass(frozen=True, slots=True)
class MtBenchReport:
    """``created`` in ISO 8601. ``rows`` are of whole sets, ``categories`` of their parts;
    ``questions`` were to be asked, ``skipped`` of them were too long for the target.
    ``answers`` are not read back from a file."""

    created: str
    setting: Setting
    baseline: str
    sampling: Sampling
    repeats: int
    limit: int | None
    questions: int
    rows: tuple[ResultRow, ...]
    categories: tuple[ResultRow, ...] = ()
    published: tuple[PublishedRow, ...] = ()
    engine_args: tuple[str, ...] = ()
    skipped: int = 0
    answers: tuple[Answer, ...] = ()

    def categories_of(self, whole: ResultRow) -> list[ResultRow]:
        key = (whole.set, whole.parallel)
        return [row for row in self.categories if (row.set, row.parallel) == key]


def report_of(
    job: Job,
    setting: Setting,
    answers: Sequence[Answer],
    created: float,
    engine_args: Sequence[str] = (),
    skipped: int = 0,
    spread: bool = True,
) -> MtBenchReport:
    """``created`` in epoch seconds. Without ``spread``, as while it runs, there are neither
    intervals nor categories."""
    rows = table(answers, spread)
    return MtBenchReport(
        created=datetime.fromtimestamp(created).astimezone().isoformat(timespec="seconds"),
        setting=setting,
        baseline=job.baseline,
        sampling=job.sampling,
        repeats=job.repeats,
        limit=job.limit,
        questions=sum(len(job.questions(one)) for one in job.sets),
        rows=tuple(row for row in rows if row.category is None),
        categories=tuple(row for row in rows if row.category is not None),
        published=published(setting),
        engine_args=tuple(engine_args),
        skipped=skipped,
        answers=tuple(answers),
    )


def published(setting: Setting) -> tuple[PublishedRow, ...]:
    """The rows that others published for this pair and tree; mostly none."""
    with (locations.assets() / "published.toml").open("rb") as file:
        known = tomllib.load(file)["figures"]
    return tuple(
        PublishedRow(**row, machine=one["machine"])
        for one in known
        if setting.pair in one["pairs"] and setting.tree == one["tree"]
        for row in one["rows"]
    )


def as_json(report: MtBenchReport) -> dict[str, Any]:
    """What ``--json`` prints and the report's file holds."""
    whole = asdict(report)
    del whole["answers"]
    return {
        "kind": "mt-bench",
        **whole.pop("setting"),
        **whole,
        "definition": Texts("en")("mtbench.definition"),
        "requests": [_request(answer) for answer in report.answers],
    }


def from_json(told: Mapping[str, Any]) -> MtBenchReport:
    """Raises KeyError or TypeError for what is no such document."""
    nested = {
        "setting": Setting(**{one.name: told[one.name] for one in fields(Setting)}),
        "sampling": Sampling(**tuples(told["sampling"])),
        "rows": tuple(ResultRow(**tuples(row)) for row in told["rows"]),
        "categories": tuple(ResultRow(**tuples(row)) for row in told["categories"]),
        "published": tuple(PublishedRow(**row) for row in told["published"]),
    }
    names = {one.name for one in fields(MtBenchReport)} & told.keys()
    return MtBenchReport(**tuples({name: told[name] for name in names}) | nested)


def _request(answer: Answer) -> dict[str, Any]:
    whole = asdict(answer)
    figures: dict[str, Any] = whole.pop("figures")
    return whole | figures
