"""A benchmark's report: one JSON document, and the same as Markdown or one HTML file.

The document has everything that its figures can be recomputed from.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chatapp import locations
from chatapp.measure.bench.bench_table import table
from chatapp.measure.bench.job import Answer, Job
from chatapp.measure.compare.arms import Setting, seeds_repeat
from chatapp.texts import Texts
from chatapp.units import number, ratio

Document = dict[str, Any]


def document(
    job: Job, setting: Setting, answers: Sequence[Answer], created: float, spread: bool = True
) -> Document:
    """What ``--json`` prints and the report's file holds. While it runs, without ``spread``,
    the rows are enough."""
    rows = [asdict(row) for row in table(answers, spread)]
    requests = sum(len(job.questions(one)) for one in job.sets)
    return {
        "kind": "mt-bench",
        "created": datetime.fromtimestamp(created).astimezone().isoformat(timespec="seconds"),
        **asdict(setting),
        "baseline": job.baseline,
        "sampling": asdict(job.sampling),
        "repeats": job.repeats,
        "limit": job.limit,
        "questions": requests,
        "definition": Texts("en")("mtbench.definition"),
        "rows": [row for row in rows if row["category"] is None],
        "categories": [row for row in rows if row["category"] is not None],
        "published": published(setting),
        "requests": [_request(answer) for answer in answers] if spread else [],
    }


def published(setting: Setting) -> list[Document]:
    """The rows that others published for this pair and tree; mostly none."""
    with (locations.assets() / "published.toml").open("rb") as file:
        known = tomllib.load(file)["figures"]
    return [
        row | {"machine": one["machine"]}
        for one in known
        if setting.pair in one["pairs"] and setting.tree == one["tree"]
        for row in one["rows"]
    ]


def cells(row: Document) -> list[str]:
    """A row as the columns of the published table, with its intervals."""
    return [
        row["category"] or row["set"],
        str(row["parallel"]),
        speed(row["tokens_per_second"], row["tokens_per_second_interval"]),
        number(row["accept_length"], 2),
        speed(row["baseline_tokens_per_second"], row["baseline_tokens_per_second_interval"]),
        ratio(row["speedup"], row["speedup_interval"]),
        str(row["requests"]),
    ]


def published_cells(row: Document) -> list[str]:
    return [
        row["set"],
        str(row["parallel"]),
        number(row["tokens_per_second"], 1),
        number(row["accept_length"], 2),
        number(row["baseline_tokens_per_second"], 1),
        ratio(row["speedup"], None),
        "",
    ]


def headings(texts: Texts, baseline: str) -> list[str]:
    names = ("set", "parallel", "speed", "accept", f"baseline_{baseline}", "speedup", "requests")
    return [texts(f"mtbench.columns.{name}") for name in names]


def facts(texts: Texts, told: Document) -> list[tuple[str, str]]:
    """Where, with what and how it was measured."""
    sampling = told["sampling"]
    versions = ", ".join(f"{name} {value}" for name, value in told["versions"].items())
    found = [
        ("created", told["created"]),
        ("machine", f"{told['machine']} ({told['device']})"),
        ("pair", f"{told['pair']}, {told['tree']}, {told['dtype']}"),
        ("sampling", _sampling(texts, sampling, told["device"])),
        ("amount", texts("mtbench.amount", questions=told["questions"], repeats=told["repeats"])),
        ("versions", versions),
    ]
    if told.get("engine_args"):
        found.append(("flags", " ".join(told["engine_args"])))
    if told.get("skipped"):
        found.append(("skipped", str(told["skipped"])))
    if told["simulated_accept_length"] is not None:
        value = told["simulated_accept_length"]
        found.insert(0, ("simulated", texts("mtbench.simulated", length=value)))
    return [(texts(f"mtbench.facts.{name}"), value) for name, value in found]


def _sampling(texts: Texts, sampling: Document, device: str) -> str:
    said = texts("mtbench.sampling", **sampling)
    sampled = sampling["temperature"] > 0 and not seeds_repeat(device)
    return f"{said}. {texts('mtbench.no_seed')}" if sampled else said


def identical(texts: Texts, told: Document) -> str:
    compared = sum(row["compared"] for row in told["rows"])
    same = sum(row["identical"] for row in told["rows"])
    return texts("mtbench.identical", same=same, compared=compared) if compared else ""


def markdown(told: Document, texts: Texts) -> str:
    lines = [f"# {texts('mtbench.title')}", ""]
    lines += [f"- {name}: {value}" for name, value in facts(texts, told)]
    lines += ["", *_markdown_table(texts, told, told["rows"])]
    if told["published"]:
        machine = told["published"][0]["machine"]
        lines += ["", f"## {texts('mtbench.published', machine=machine)}", ""]
        lines += _table(headings(texts, told["baseline"]), map(published_cells, told["published"]))
    for row in told["rows"]:
        lines += ["", f"## {row['set']} × {row['parallel']}", ""]
        lines += _markdown_table(texts, told, _categories(told, row))
    lines += ["", texts("mtbench.definition"), "", identical(texts, told)]
    return "\n".join(lines).rstrip() + "\n"


def html(told: Document, texts: Texts) -> str:
    """One file that needs nothing else."""
    environment = Environment(
        loader=FileSystemLoader(locations.assets() / "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    top = max([row["tokens_per_second"] or 0 for row in told["rows"]] or [0]) or 1
    return environment.get_template("bench_report.html").render(
        t=texts,
        told=told,
        facts=facts(texts, told),
        headings=headings(texts, told["baseline"]),
        rows=[(row, cells(row), _shares(row, top)) for row in told["rows"]],
        published=[published_cells(row) for row in told["published"]],
        categories=[(row, [cells(one) for one in _categories(told, row)]) for row in told["rows"]],
        identical=identical(texts, told),
    )


def speed(value: float | None, interval: Sequence[float] | None) -> str:
    """Tokens/s with half of its interval."""
    if value is None or interval is None:
        return number(value, 1)
    return f"{value:.1f} ± {(interval[1] - interval[0]) / 2:.1f}"


def _categories(told: Document, row: Document) -> list[Document]:
    key = (row["set"], row["parallel"])
    return [one for one in told["categories"] if (one["set"], one["parallel"]) == key]


def _shares(row: Document, top: float) -> tuple[float, float]:
    """Lengths of the two bars."""
    speeds = (row["tokens_per_second"], row["baseline_tokens_per_second"])
    return tuple(round(100 * (one or 0) / top, 1) for one in speeds)  # type: ignore[return-value]


def _markdown_table(texts: Texts, told: Document, rows: Sequence[Document]) -> list[str]:
    return _table(headings(texts, told["baseline"]), [cells(row) for row in rows])


def _table(head: Sequence[str], rows: Any) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _request(answer: Answer) -> Document:
    figures = asdict(answer.figures)
    names = ("set", "parallel", "repeat", "arm", "question_id", "category", "turn", "text")
    return {name: getattr(answer, name) for name in names} | figures
