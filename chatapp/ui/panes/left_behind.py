"""Engines that another run left behind, with the memory that they hold and a way to end them."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from chatapp.domain import GpuSample
from chatapp.engine.process.orphans import Orphan
from chatapp.texts import Texts
from chatapp.ui.render import render
from chatapp.units import memory_gb


def left_behind(texts: Texts, orphans: Iterable[Orphan], gpu: GpuSample | None = None) -> Markup:
    drawn = (
        render("orphan", texts, sentence=sentence(texts, one, gpu), app=one.app.pid)
        for one in orphans
    )
    return Markup().join(drawn)


def sentence(texts: Texts, orphan: Orphan, gpu: GpuSample | None = None) -> str:
    """``gpu`` tells what of the card it holds."""
    pids = orphan.pids
    held = [one.bytes or 0 for one in (gpu.others if gpu else ()) if one.pid in pids]
    memory, card = memory_gb(orphan.resident_bytes), memory_gb(sum(held))
    numbers = texts("orphan.comma").join(map(str, pids))
    key = "orphan.on_card" if sum(held) else "orphan.found"
    return texts(key, memory=memory, card=card, pids=numbers)
