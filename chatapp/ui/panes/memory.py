"""What holds the memory: that of the engine's card where it has one, the processes
everywhere."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from chatapp.application.monitor import Moment
from chatapp.domain import Elsewhere, MemorySample
from chatapp.texts import Texts
from chatapp.ui.panes import elsewhere
from chatapp.ui.panes.video_memory import of_total, video_memory
from chatapp.ui.render import render
from chatapp.units import memory_gb

_TONES = {"main": "engine2", "scheduler": "engine1", "detokenizer": "engine3"}


def memory(texts: Texts, moment: Moment, there: Elsewhere | None = None) -> Markup:
    """With a card the processes step back: they are there when asked for. Of an engine
    elsewhere what it tells, and this machine apart from it."""
    sample = moment.sample
    if there is not None:
        return elsewhere.memory(texts, moment, there, _parts(texts, sample))
    lost, note = sample.gpu_lost, texts(sample.gpu_note) if sample.gpu_note else None
    on_card = sample.gpu is not None or lost
    return render(
        "memory",
        texts,
        card=video_memory(texts, moment, note if lost else None) if on_card else None,
        machine=texts("page.memory.machine", used=_used(sample), total=_total(sample)),
        parts=_parts(texts, sample),
        note=None if lost else note,
    )


def strip(texts: Texts, moment: Moment, there: Elsewhere | None = None) -> str:
    """One short phrase for a narrow page."""
    sample = moment.sample
    if there is not None:
        return elsewhere.strip(texts, moment)
    if sample.gpu_lost:
        return texts("page.memory.strip_lost")
    if sample.gpu:
        return texts("page.memory.strip_vram", used=of_total(sample.gpu))
    return texts("page.memory.strip", used=_used(sample), total=_total(sample))


def _used(sample: MemorySample) -> str:
    return memory_gb(sample.total_bytes - sample.available_bytes)


def _total(sample: MemorySample) -> str:
    return memory_gb(sample.total_bytes)


def _parts(texts: Texts, sample: MemorySample) -> list[dict[str, Any]]:
    """Engine, app, others, free. Memory that processes share is counted with each, so
    *others* can come out too small but never below nothing."""
    parts = []
    for process in sample.engine:
        tone = _TONES.get(process.name, "engine3")
        parts.append(_part(_process(texts, process.name), process.resident_bytes, tone))
    parts.append(_part(texts("page.memory.app"), sample.app_bytes, "app"))
    ours = sum(part["bytes"] for part in parts)
    others = max(0, sample.total_bytes - sample.available_bytes - ours)
    parts.append(_part(texts("page.memory.other"), others, "other"))
    parts.append(_part(texts("page.memory.free"), sample.available_bytes, "free"))
    whole = max(sample.total_bytes, 1)
    return [part | {"share": round(part["bytes"] / whole, 4)} for part in parts]


def _process(texts: Texts, name: str) -> str:
    key = f"page.memory.process_{name}"
    return texts(key) if key in texts.keys() else f"{texts('page.engine.title')} {name}"


def _part(label: str, size: int, tone: str) -> dict[str, Any]:
    return {"label": label, "bytes": size, "tone": tone}
