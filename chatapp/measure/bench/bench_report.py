"""A benchmark's report to read: as Markdown, or as one HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chatapp import locations
from chatapp.measure.bench.bench_table import ResultRow
from chatapp.measure.bench.report_document import MtBenchReport, PublishedRow
from chatapp.texts import Texts
from chatapp.units import number, ratio


def cells(row: ResultRow) -> list[str]:
    """A row as the columns of the published table, with its intervals."""
    return [
        row.category or row.set,
        str(row.parallel),
        speed(row.tokens_per_second, row.tokens_per_second_interval),
        number(row.accept_length, 2),
        speed(row.baseline_tokens_per_second, row.baseline_tokens_per_second_interval),
        ratio(row.speedup, row.speedup_interval),
        str(row.requests),
    ]


def published_cells(row: PublishedRow) -> list[str]:
    return [
        row.set,
        str(row.parallel),
        number(row.tokens_per_second, 1),
        number(row.accept_length, 2),
        number(row.baseline_tokens_per_second, 1),
        ratio(row.speedup, None),
        "",
    ]


def headings(texts: Texts, baseline: str) -> list[str]:
    names = ("set", "parallel", "speed", "accept", f"baseline_{baseline}", "speedup", "requests")
    return [texts(f"mtbench.columns.{name}") for name in names]


def facts(texts: Texts, report: MtBenchReport) -> list[tuple[str, str]]:
    """Where, with what and how it was measured."""
    setting = report.setting
    versions = ", ".join(f"{name} {value}" for name, value in setting.versions.items())
    found = [
        ("created", report.created),
        ("machine", f"{setting.machine} ({setting.device})"),
        ("pair", f"{setting.pair}, {setting.tree}, {setting.dtype}"),
        ("sampling", _sampling(texts, report)),
        ("amount", texts("mtbench.amount", questions=report.questions, repeats=report.repeats)),
        ("versions", versions),
    ]
    if report.engine_args:
        found.append(("flags", " ".join(report.engine_args)))
    if report.skipped:
        found.append(("skipped", str(report.skipped)))
    if (length := setting.simulated_accept_length) is not None:
        found.insert(0, ("simulated", texts("mtbench.simulated", length=length)))
    return [(texts(f"mtbench.facts.{name}"), value) for name, value in found]


def _sampling(texts: Texts, report: MtBenchReport) -> str:
    said = texts("mtbench.sampling", **asdict(report.sampling))
    sampled = report.sampling.temperature > 0 and not report.setting.seeds_repeat
    return f"{said}. {texts('mtbench.no_seed')}" if sampled else said


def identical(texts: Texts, report: MtBenchReport) -> str:
    compared = sum(row.compared for row in report.rows)
    same = sum(row.identical for row in report.rows)
    return texts("mtbench.identical", same=same, compared=compared) if compared else ""


def markdown(report: MtBenchReport, texts: Texts) -> str:
    lines = [f"# {texts('mtbench.title')}", ""]
    lines += [f"- {name}: {value}" for name, value in facts(texts, report)]
    lines += ["", *_markdown_table(texts, report, report.rows)]
    if report.published:
        machine = report.published[0].machine
        lines += ["", f"## {texts('mtbench.published', machine=machine)}", ""]
        lines += _table(headings(texts, report.baseline), map(published_cells, report.published))
    for row in report.rows:
        lines += ["", f"## {row.set} × {row.parallel}", ""]
        lines += _markdown_table(texts, report, report.categories_of(row))
    lines += ["", texts("mtbench.definition"), "", identical(texts, report)]
    return "\n".join(lines).rstrip() + "\n"


def html(report: MtBenchReport, texts: Texts) -> str:
    """One file that needs nothing else."""
    environment = Environment(
        loader=FileSystemLoader(locations.assets() / "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    top = max([row.tokens_per_second or 0 for row in report.rows] or [0]) or 1
    return environment.get_template("bench_report.html").render(
        t=texts,
        report=report,
        facts=facts(texts, report),
        headings=headings(texts, report.baseline),
        rows=[(row, cells(row), _shares(row, top)) for row in report.rows],
        published=[published_cells(row) for row in report.published],
        categories=[
            (row, [cells(one) for one in report.categories_of(row)]) for row in report.rows
        ],
        identical=identical(texts, report),
    )


def speed(value: float | None, interval: Sequence[float] | None) -> str:
    """Tokens/s with half of its interval."""
    if value is None or interval is None:
        return number(value, 1)
    return f"{value:.1f} ± {(interval[1] - interval[0]) / 2:.1f}"


def _shares(row: ResultRow, top: float) -> list[float]:
    """Lengths of the two bars."""
    speeds = (row.tokens_per_second, row.baseline_tokens_per_second)
    return [round(100 * (one or 0) / top, 1) for one in speeds]


def _markdown_table(texts: Texts, report: MtBenchReport, rows: Sequence[ResultRow]) -> list[str]:
    return _table(headings(texts, report.baseline), [cells(row) for row in rows])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
