"""An engine that somebody else runs: what it is and tells, how one connects to it, and what has
happened to the connection."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup

from chatapp.application.connection import Connection
from chatapp.application.monitor import Moment
from chatapp.domain import Elsewhere, EngineState, EngineStatus
from chatapp.errors import error_words
from chatapp.measure.machine.ledger import EngineMemory
from chatapp.pairs.drafters import DRAFTERS
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render
from chatapp.units import MIB

NEWS_S = 60.0
SHOWN_BYTES = 5 * MIB  # less would read 0.00 GB
_NO_PLUGIN = "switch.plugin_elsewhere"


def engine_state(texts: Texts, status: EngineStatus) -> str:
    """Of any engine, in a word or two."""
    room = "elsewhere.states" if status.elsewhere else "page.engine"
    return texts(f"{room}.{status.state.value}")


def box(texts: Texts, status: EngineStatus) -> Markup:
    """The section of the panel."""
    there = status.elsewhere
    return render(
        "elsewhere",
        texts,
        state=engine_state(texts, status),
        open=status.state is not EngineState.READY,
        facts=facts(texts, status),
        notes=_notes(texts, status),
        address=status.address,
        notice=_notice(texts, there) if there else "",
    )


def facts(texts: Texts, status: EngineStatus) -> list[tuple[str, str]]:
    """What it tells; what it does not is not there."""
    there = status.elsewhere
    if there is None or status.state is not EngineState.READY:
        return []
    tree = texts("page.engine.tree", tree=status.tree) if status.tree else ""
    known = status.drafter in DRAFTERS
    name = texts(f"drafter.{status.drafter}.name") if known else status.drafter
    drafter = name or texts("elsewhere.no_drafter")
    told = {
        "model": status.pair_name,
        "drafter": " · ".join(filter(None, [drafter.strip("?"), tree])),
        "context": texts("elsewhere.tokens", count=number_format.count(there.context_length)),
        "machine": " · ".join(filter(None, [there.machine or status.device, status.dtype])),
        "sglang": there.version,
        "plugin": texts("elsewhere.installed" if there.counts else "elsewhere.missing"),
    }
    return [(texts(f"elsewhere.facts.{name}"), value) for name, value in told.items() if value]


def form(texts: Texts, connection: Connection) -> Markup:
    """For the Models pane: address and key, what is known of the engine, how to let go."""
    status, url = connection.status(), connection.url
    there = status.elsewhere if url else None
    trouble = ""
    if url and status.failure:
        trouble = error_words(texts, status.failure, status.failure_values)
    return render(
        "connection",
        texts,
        url=url,
        state=engine_state(texts, status) if there else "",
        trouble=trouble,
        facts=facts(texts, status),
        notes=_notes(texts, status) if there else [],
        install=there is not None and status.state is EngineState.READY and not there.counts,
    )


def news(texts: Texts, status: EngineStatus) -> str:
    """What has just happened to the connection; nothing a minute later."""
    there = status.elsewhere
    if there is None or there.notice is None or status.state is not EngineState.READY:
        return ""
    if time.time() - there.notice.at > NEWS_S:
        return ""
    return texts(f"elsewhere.notices.{there.notice.key}", **there.notice.values)


def memory(
    texts: Texts, moment: Moment, there: Elsewhere, here: Sequence[dict[str, Any]]
) -> Markup:
    """What the engine tells of its memory; ``here`` are the parts of this machine's."""
    return render(
        "elsewhere_memory",
        texts,
        title=texts("elsewhere.memory", host=there.host),
        rows=_rows(texts, moment.engine) if moment.engine else [],
        kv=_kv_used(texts, moment),
        here=here,
    )


def strip(texts: Texts, moment: Moment) -> str:
    """One short phrase for a narrow page."""
    if moment.kv_share is None:
        return ""
    percent = round(100 * moment.kv_share)
    return f"{texts('page.memory.part_kv')} {texts('page.memory.kv_used', percent=percent)}"


def _rows(texts: Texts, told: EngineMemory) -> list[tuple[str, int]]:
    kv = (told.kv_bytes or 0) + (told.kv_draft_bytes or 0)
    sizes = {
        "target": told.target_bytes,
        "draft": told.draft_bytes,
        "kv": kv,
        "graphs": told.graph_bytes,
        "second_state": told.second_bytes,
    }
    return [
        (texts(f"page.memory.part_{name}"), size)
        for name, size in sizes.items()
        if size and size >= SHOWN_BYTES
    ]


def _kv_used(texts: Texts, moment: Moment) -> str:
    tokens = moment.engine.kv_tokens if moment.engine else None
    if moment.kv_share is None or not tokens:
        return ""
    percent = round(100 * moment.kv_share)
    return texts("elsewhere.kv_used", percent=percent, tokens=number_format.count(tokens))


def _notes(texts: Texts, status: EngineStatus) -> list[str]:
    """Who can read along, and what of speculation is not known or cannot be had."""
    there = status.elsewhere
    if there is None:
        return []
    goes = "elsewhere.goes_there" if there.secure else "elsewhere.goes_there_open"
    notes = [texts(goes, host=there.host)]
    if status.state is EngineState.READY:
        if status.switch_reason:
            notes.append(texts(status.switch_reason))
        if status.drafter and not there.counts:
            notes.append(texts("elsewhere.uncounted"))
    return notes


def _notice(texts: Texts, there: Elsewhere) -> str:
    if there.notice is None:
        return ""
    words = texts(f"elsewhere.notices.{there.notice.key}", **there.notice.values)
    return f"{datetime.fromtimestamp(there.notice.at):%H:%M} · {words}"
