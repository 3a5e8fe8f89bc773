"""The Models pane: pairs and their download, plan and ledger, presets, the command."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from chatapp import units
from chatapp.application.connection import Connection
from chatapp.application.model_manager import CARDS, DRAFTER_CHOICES, ModelManager, PairState
from chatapp.application.monitor import Moment
from chatapp.engine.planning.plan import MemoryPlan
from chatapp.engine.planning.planner import AUTO
from chatapp.engine.planning.presets import presets
from chatapp.errors import ProductError, error_words
from chatapp.measure.machine.ledger import Ledger, Point, unbroken
from chatapp.pairs.catalogue import names
from chatapp.pairs.download.download_progress import DownloadProgress, DownloadState
from chatapp.pairs.download.sources import NAMES as SOURCES
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.panes import elsewhere
from chatapp.ui.render import render
from chatapp.units import disk_size

GRAPH_WIDTH, GRAPH_HEIGHT = 600, 120
_TONES = {
    "others": "other",
    "driver": "other",
    "context": "engine3",
    "target": "engine1",
    "draft": "engine2",
    "kv_target": "kv",
    "kv_draft": "kv2",
    "workspace": "engine3",
    "graphs": "engine3",
    "second_state": "app",
    "activations": "app",
    "reserve": "free",
}
_LEDGER_ONLY = ("rest", "engine", "others", "free")


def pane(
    texts: Texts, manager: ModelManager, moment: Moment, connection: Connection | None = None
) -> Markup:
    """Everything of it; a preset that cannot be used is said where the plan would be. While
    the engine is one elsewhere, nothing of this machine's plan, memory and command."""
    plan, listed, trouble = None, [], ""
    try:
        plan, listed = manager.plan(), _presets(manager)
    except ProductError as error:
        trouble = error.words(texts)
    base, key, model = manager.address
    return render(
        "models",
        texts,
        pairs=[pair_view(texts, pair, manager.downloading()) for pair in manager.pairs()],
        source=manager.source,
        sources=SOURCES,
        drafter=manager.settings.drafter,
        drafters=DRAFTER_CHOICES,
        plan=None if plan is None else plan_view(texts, plan),
        trouble=trouble,
        cards=CARDS,
        card=manager.card_gb,
        device=manager.device,
        ledger=ledger_view(texts, manager.ledger(moment)),
        graph=graph_view(moment.course),
        presets=listed,
        command=shlex.join(manager.command()).replace("'$EAGLECHAT_KEY'", '"$EAGLECHAT_KEY"'),
        client=snippet(base, model) if base else "",
        base=base,
        key=key,
        connection=elsewhere.form(texts, connection) if connection else "",
        here=connection is None or not connection.url,
    )


def invitation(texts: Texts, manager: ModelManager) -> Markup:
    """At the foot of the list: the download that runs or has ended, or that the pair which
    this card is meant for is not here yet."""
    for pair in sorted(manager.pairs(), key=lambda pair: pair.progress is None):
        if words := _inviting(texts, pair):
            return render("invitation", texts, words=words)
    return Markup()


def _inviting(texts: Texts, pair: PairState) -> str:
    if pair.progress is not None and not pair.progress.state.ended:
        return download_words(texts, pair.progress)
    if pair.progress is not None and pair.here and not pair.current:
        return texts("models.invitation_here", title=pair.title)
    if pair.meant and not pair.here:
        amount = {"size": units.disk_gb(pair.size), "minutes": pair.minutes}
        return texts("models.invitation", title=pair.title, **amount)
    return ""


def snippet(base: str, model: str) -> str:
    """How the ``openai`` package talks to this engine, speculation switched off."""
    return (
        "from openai import OpenAI\n\n"
        f'client = OpenAI(base_url="{base}", api_key=os.environ["EAGLECHAT_KEY"])\n'
        "reply = client.chat.completions.create(\n"
        f'    model="{model}",\n'
        '    messages=[{"role": "user", "content": "你好"}],\n'
        '    extra_body={"custom_params": {"speculation": False}},\n'
        ")\n"
    ).replace("from openai", "import os\n\nfrom openai", 1)


def pair_view(texts: Texts, pair: PairState, busy: bool) -> dict[str, Any]:
    progress = pair.progress
    running = progress is not None and not progress.state.ended
    return {
        "name": pair.name,
        "title": pair.title,
        "about": texts(f"pairs.about.{pair.name}" if pair.name in names() else "models.own_about"),
        "facts": pair.facts,
        "here": pair.here,
        "meant": pair.meant,
        "current": pair.current,
        "size": units.disk_gb(pair.size) if pair.size else "",
        "minutes": pair.minutes,
        "begun": disk_size(pair.begun) if pair.begun and progress is None else "",
        "loadable": pair.loadable,
        "running": running,
        "paused": progress is not None and progress.state is DownloadState.PAUSED,
        "blocked": busy and not running,
        "share": _share(progress),
        "status": download_words(texts, progress),
        "failed": progress is not None and progress.state is DownloadState.FAILED,
        "files": _files(progress) if running else [],
    }


def _share(progress: DownloadProgress | None) -> float | None:
    if progress is None or not progress.total or progress.state.ended:
        return None
    return round(100 * progress.done / progress.total, 1)


def download_words(texts: Texts, progress: DownloadProgress | None) -> str:
    """``downloading, 1.2 of 8.5 GB, 14.2 MB/s, 8 min left (Hugging Face)``."""
    if progress is None:
        return ""
    if progress.error:
        return error_words(texts, progress.error, progress.error_values)
    parts = [texts(f"pairs.state.{progress.state}")]
    if progress.total:
        parts.append(f"{disk_size(progress.done)} / {disk_size(progress.total)}")
    if progress.bytes_per_second:
        parts.append(f"{disk_size(round(progress.bytes_per_second))}/s")
    if progress.seconds_left is not None:
        parts.append(texts("pairs.left", time=clock(progress.seconds_left)))
    if progress.source:
        parts.append(progress.source)
    return " · ".join(parts)


def _files(progress: DownloadProgress | None) -> list[dict[str, Any]]:
    files = progress.files if progress else ()
    return [
        {
            "name": file.path,
            "size": disk_size(file.size),
            "share": round(100 * file.done / max(file.size, 1)),
        }
        for file in sorted(files, key=lambda file: -file.size)
    ]


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def plan_view(texts: Texts, plan: MemoryPlan) -> dict[str, Any]:
    over = max(0, -plan.free_bytes)
    whole = plan.card_bytes + over
    rows = [
        {
            "label": texts(f"plan.rows.{row.key}"),
            "source": texts(f"plan.sources.{row.key}", **row.values),
            "bytes": row.bytes,
            "estimated": row.estimated,
            "tone": _TONES.get(row.key, "app"),
            "share": round(row.bytes / whole, 4),
        }
        for row in plan.rows
        if row.bytes
    ]
    sentence = "plan.fits" if plan.fits else "plan.fits_not"
    return {
        "pair": plan.pair.name,
        "preset": plan.preset.name,
        "size": number_format.memory_gb(plan.card_bytes),
        "rows": rows,
        "free": plan.free_bytes,
        "free_share": round(max(0, plan.free_bytes) / whole, 4),
        "limit": round(plan.card_bytes / whole, 4) if over else None,
        "fits": plan.fits,
        "sentence": texts(
            sentence,
            tokens=number_format.count(plan.kv_tokens),
            each=number_format.count(plan.kv_bytes_per_token),
            context=number_format.count(plan.context_length),
            streams=plan.streams,
        ),
        "reasons": [texts(f"plan.notes.{note.key}", **note.values) for note in plan.reasons],
        "advice": [texts(f"plan.notes.{note.key}", **note.values) for note in plan.advice],
    }


def ledger_view(texts: Texts, made: Ledger) -> dict[str, Any]:
    rows = [
        {
            "key": row.key,
            "label": texts(f"{'ledger' if row.key in _LEDGER_ONLY else 'plan'}.rows.{row.key}"),
            "planned": number_format.memory_gb(row.planned),
            "real": number_format.memory_gb(row.real),
            "difference": _difference(row.difference),
            "part": row.key == "rest",
            "sum": row.key == "engine",
        }
        for row in made.rows
    ]
    return {
        "on": made.on,
        "total": number_format.memory_gb(made.total_bytes),
        "rows": rows,
        "kv_planned": number_format.count(made.kv_tokens_planned),
        "kv": number_format.count(made.kv_tokens),
    }


def _difference(size: int | None) -> str:
    if size is None:
        return number_format.NONE
    return f"{'+' if size >= 0 else '−'}{number_format.memory_gb(abs(size))}"


def graph_view(points: Sequence[Point]) -> dict[str, Any] | None:
    """Lines over time, the newest at the right; marks where the KV cache ran full."""
    if len(points) < 2:
        return None
    first, last = points[0].at, points[-1].at
    span = max(last - first, 1e-3)
    most = max(point.total_bytes for point in points) or 1

    def x(point: Point) -> float:
        return round(GRAPH_WIDTH * (point.at - first) / span, 1)

    def line(share: Callable[[Point], float | None]) -> list[str]:
        lines = []
        for piece in unbroken(points):
            told = [(x(point), value) for point in piece if (value := share(point)) is not None]
            places = (f"{at},{round(GRAPH_HEIGHT * (1 - value), 1)}" for at, value in told)
            lines.append(" ".join(places))
        return [line for line in lines if line]

    return {
        "width": GRAPH_WIDTH,
        "height": GRAPH_HEIGHT,
        "lines": {
            "used": line(lambda p: p.used_bytes / most),
            "engine": line(lambda p: None if p.engine_bytes is None else p.engine_bytes / most),
            "kv": line(lambda p: p.kv_share),
        },
        "full": [x(point) for point in points if point.full],
        "minutes": round(span / 60, 1),
        "most": number_format.memory_gb(most),
    }


def _presets(manager: ModelManager) -> list[dict[str, Any]]:
    chosen = manager.settings.preset
    rows = [{"name": AUTO, "arguments": "", "chosen": chosen == AUTO}]
    for one in presets().values():
        share = one.mem_fraction_static
        arguments = " ".join(one.arguments(0.5 if share is None else share))
        if share is None:
            arguments = arguments.replace("--mem-fraction-static 0.5", "--mem-fraction-static …")
        rows.append({"name": one.name, "arguments": arguments, "chosen": chosen == one.name})
    return rows
