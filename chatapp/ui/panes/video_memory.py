"""The card that the engine runs on: what holds its memory now, and held it lately.

The engine's part is split as far as the engine tells it, like the ledger's; what nobody
tells is said to be untold, and nothing is split by guessing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from chatapp.application.monitor import Moment
from chatapp.domain import GpuProcess, GpuSample
from chatapp.measure.machine.ledger import Point, ledger, unbroken
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render
from chatapp.units import MIB, memory_gb

COURSE_S = 300
LITTLE_BYTES = 512 * MIB
KV_NEARLY_FULL = 0.9
NAMED = 3
_MAKER = "NVIDIA "
# What the panel shows of the engine: the ledger's rows behind it, and its colour.
_ENGINE = {
    "target": (("target",), "engine1"),
    "draft": (("draft",), "engine2"),
    "kv": (("kv_target", "kv_draft"), "kv"),
    "graphs": (("graphs",), "engine3"),
    "second_state": (("second_state",), "app"),
    "rest": (("rest",), "engine3"),
}


def video_memory(texts: Texts, moment: Moment, trouble: str | None = None) -> Markup:
    """``trouble`` says why the card does not answer; it may come back."""
    gpu, now = moment.sample.gpu, moment.sample.at
    course = [point for point in moment.course if now - point.at <= COURSE_S]
    return render(
        "video_memory",
        texts,
        trouble=trouble,
        full=gpu is not None and gpu.free_bytes < LITTLE_BYTES,
        used=f"{of_total(gpu)} GB" if gpu else number_format.NONE,
        name=_name(texts, gpu) if gpu else "",
        facts=_facts(texts, gpu) if gpu else [],
        parts=_shares(_parts(texts, moment, gpu), gpu) if gpu else [],
        notes=_notes(texts, moment, gpu) if gpu else [],
        course=_course(course, now),
        most=max((point.used_bytes for point in course), default=None),
    )


def of_total(gpu: GpuSample) -> str:
    return f"{memory_gb(gpu.used_bytes)} / {memory_gb(gpu.total_bytes)}"


def _name(texts: Texts, gpu: GpuSample) -> str:
    """``RTX 4090``; on a machine with several, which of them."""
    name = gpu.name.removeprefix(_MAKER).removeprefix("GeForce ")
    return texts("page.memory.card", name=name, index=gpu.index) if gpu.index else name


def _facts(texts: Texts, gpu: GpuSample) -> list[tuple[str, str]]:
    told = {
        "temperature": (gpu.temperature_c, " °C"),
        "power": (None if gpu.power_w is None else round(gpu.power_w), " W"),
        "utilisation": (gpu.utilisation_percent, "%"),
    }
    return [
        (texts(f"page.memory.{key}"), number_format.count(value) + unit)
        for key, (value, unit) in told.items()
    ]


def _parts(texts: Texts, moment: Moment, gpu: GpuSample) -> Iterator[dict[str, Any]]:
    """They add up to the card, but for what the engine says of itself beyond what the
    driver knows it to hold."""
    engine = list(_engine(texts, moment, gpu))
    yield from engine
    rest = gpu.used_bytes - (gpu.engine_bytes or sum(part["bytes"] for part in engine))
    if gpu.engine_bytes is not None:
        others = texts("page.memory.other")
        yield _part(others, max(0, rest), "other", named=list(_named(texts, gpu.others)))
    else:
        key = "page.memory.untold" if engine else "page.memory.used"
        yield _part(texts(key), max(0, rest), "other")
    if gpu.reserved_bytes:
        yield _part(texts("page.memory.driver"), gpu.reserved_bytes, "driver")
    little = gpu.free_bytes < LITTLE_BYTES
    yield _part(texts("page.memory.free"), gpu.free_bytes, "free", warn=little)


def _engine(texts: Texts, moment: Moment, gpu: GpuSample) -> Iterator[dict[str, Any]]:
    """The ledger's rows that make up the engine; before it tells them, it is one."""
    if moment.engine is None:
        if gpu.engine_bytes is not None:
            yield _part(texts("page.memory.engine_share"), gpu.engine_bytes, "engine1")
        return
    rows = {row.key: row.real or 0 for row in ledger(moment.sample, moment.engine).rows}
    for name, (keys, tone) in _ENGINE.items():
        if size := sum(rows.get(key, 0) for key in keys):
            share = moment.kv_share if name == "kv" else None
            yield _part(texts(f"page.memory.part_{name}"), size, tone, **_filled(texts, share))


def _filled(texts: Texts, share: float | None) -> dict[str, Any]:
    if share is None:
        return {}
    percent = "<1" if 0 < share < 0.01 else f"{100 * share:.0f}"
    note = texts("page.memory.kv_used", percent=percent)
    return {"fill": round(share, 4), "note": note, "warn": share >= KV_NEARLY_FULL}


def _part(
    label: str,
    size: int,
    tone: str,
    *,
    fill: float | None = None,
    note: str = "",
    warn: bool = False,
    named: Sequence[str] = (),
) -> dict[str, Any]:
    return {
        "label": label,
        "bytes": size,
        "tone": tone,
        "fill": fill,
        "note": note,
        "warn": warn,
        "named": named,
    }


def _shares(parts: Iterator[dict[str, Any]], gpu: GpuSample) -> list[dict[str, Any]]:
    return [part | {"share": round(part["bytes"] / gpu.total_bytes, 4)} for part in parts]


def _named(texts: Texts, others: Sequence[GpuProcess]) -> Iterator[str]:
    """``firefox 0.40 GB``, those of one name together, the largest few."""
    by_name = groupby(sorted(others, key=lambda one: one.name), lambda one: one.name)
    sums = {name: sum(one.bytes or 0 for one in several) for name, several in by_name}
    largest = sorted(sums.items(), key=lambda one: -one[1])
    for name, size in largest[:NAMED]:
        name = name or texts("page.memory.somebody")
        yield f"{name} {memory_gb(size)} GB" if size else name
    if more := len(largest) - NAMED:
        if more > 0:
            yield texts("page.memory.more", count=more)


def _notes(texts: Texts, moment: Moment, gpu: GpuSample) -> Iterator[tuple[str, bool]]:
    """What has to be said, and whether it is to be looked at."""
    if gpu.free_bytes < LITTLE_BYTES:
        yield texts("page.memory.nearly_full"), True
    if moment.kv_share is not None and moment.kv_share >= KV_NEARLY_FULL:
        yield texts("page.memory.kv_nearly_full"), True
    if gpu.engine_bytes is None and moment.engine is not None:
        yield texts("page.memory.untold_why"), False


def _course(points: Sequence[Point], now: float) -> list[dict[str, str]]:
    """SVG lines with the ground below them, in a box of 100 × 100, the newest at the right."""

    def place(point: Point) -> tuple[float, float]:
        age = max(0.0, now - point.at)
        return 100 * (1 - age / COURSE_S), 100 * (1 - point.used_bytes / point.total_bytes)

    pieces = ([place(point) for point in piece] for piece in unbroken(points))
    return [_area(piece) for piece in pieces if len(piece) > 1]


def _area(line: Sequence[tuple[float, float]]) -> dict[str, str]:
    ground = [(line[0][0], 100.0), *line, (line[-1][0], 100.0)]
    return {"line": _points(line), "ground": _points(ground)}


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.2f},{y:.1f}" for x, y in places)
