"""What holds the memory: video memory where a driver tells, the processes everywhere."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from chatapp.domain import GpuSample, MemorySample
from chatapp.texts import Texts
from chatapp.ui import numbers
from chatapp.ui.render import render

_TONES = {"main": "engine2", "scheduler": "engine1", "detokenizer": "engine3"}


def memory(texts: Texts, sample: MemorySample) -> Markup:
    used = sample.total_bytes - sample.available_bytes
    return render(
        "memory",
        texts,
        gpus=[_gpu(texts, sample.gpu)] if sample.gpu else [],
        machine=texts(
            "page.memory.machine",
            used=numbers.memory_gb(used),
            total=numbers.memory_gb(sample.total_bytes),
        ),
        parts=_parts(texts, sample),
        note=texts(sample.gpu_note) if sample.gpu_note else None,
    )


def strip(texts: Texts, sample: MemorySample) -> str:
    """One short phrase for a narrow page."""
    if sample.gpu:
        used, total = sample.gpu.used_bytes, sample.gpu.total_bytes
        key = "page.memory.strip_vram"
    else:
        used, total = sample.total_bytes - sample.available_bytes, sample.total_bytes
        key = "page.memory.strip"
    return texts(key, used=numbers.memory_gb(used), total=numbers.memory_gb(total))


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
    return _with_shares(parts, sample.total_bytes)


def _process(texts: Texts, name: str) -> str:
    key = f"page.memory.process_{name}"
    return texts(key) if key in texts.keys() else f"{texts('page.engine.title')} {name}"


def _gpu(texts: Texts, gpu: GpuSample) -> dict[str, Any]:
    parts = []
    if gpu.engine_bytes is not None:
        parts.append(_part(texts("page.memory.engine_share"), gpu.engine_bytes, "engine1"))
        others = max(0, gpu.used_bytes - gpu.engine_bytes)
        parts.append(_part(texts("page.memory.other"), others, "other"))
    else:
        parts.append(_part(texts("page.memory.used"), gpu.used_bytes, "engine1"))
    parts.append(_part(texts("page.memory.free"), gpu.free_bytes, "free"))
    return {
        "facts": [gpu.name],
        "parts": _with_shares(parts, gpu.total_bytes),
        "rows": _gpu_rows(texts, gpu),
    }


def _gpu_rows(texts: Texts, gpu: GpuSample) -> list[tuple[str, str]]:
    unknown = texts("page.memory.unknown")
    told = {
        "used": f"{numbers.memory_gb(gpu.used_bytes)} / {numbers.memory_gb(gpu.total_bytes)} GB",
        "utilisation": None if gpu.utilisation_percent is None else f"{gpu.utilisation_percent} %",
        "temperature": None if gpu.temperature_c is None else f"{gpu.temperature_c} °C",
        "power": None if gpu.power_w is None else f"{gpu.power_w:.0f} W",
    }
    if gpu.engine_bytes is None:
        told["engine_share"] = None
    return [(texts(f"page.memory.{name}"), value or unknown) for name, value in told.items()]


def _part(label: str, size: int, tone: str) -> dict[str, Any]:
    return {"label": label, "bytes": size, "tone": tone}


def _with_shares(parts: list[dict[str, Any]], total: int) -> list[dict[str, Any]]:
    return [part | {"share": round(part["bytes"] / max(total, 1), 4)} for part in parts]
