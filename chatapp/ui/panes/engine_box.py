"""How the engine is: its start-up timeline, and the card that says why it is not there."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from chatapp.domain import Caution, EngineState, EngineStatus
from chatapp.engine.process.how_far import how_far
from chatapp.errors import error_words
from chatapp.texts import Texts
from chatapp.ui.panes import elsewhere
from chatapp.ui.render import render

_DOWN = (EngineState.FAILED, EngineState.STOPPED)
_LOG_LINES, _LOG_COLUMNS = 20, 240
_SECRET = re.compile(r"""(api_key['"]?\s*[:=]\s*['"])[^'"]+""")


def engine(texts: Texts, status: EngineStatus) -> Markup:
    """The section of the panel; open while the engine is on its way."""
    if status.elsewhere is not None:
        return elsewhere.box(texts, status)
    ready = next((phase.at for phase in status.timeline if phase.name == "ready"), None)
    return render(
        "engine",
        texts,
        status=status,
        open=status.state is not EngineState.READY,
        total=ready,
        timeline=timeline(texts, status),
        log=log(status),
        careful=_careful(texts, status),
    )


def start(texts: Texts, status: EngineStatus) -> Markup:
    """For an empty conversation: how far the engine is; nothing once it is ready."""
    if status.state is not EngineState.STARTING:
        return Markup()
    if status.elsewhere is not None:
        return Markup("<h3>{}</h3>").format(elsewhere.engine_state(texts, status))
    return Markup("<h3>{}</h3>{}").format(texts("page.engine.starting"), timeline(texts, status))


def timeline(texts: Texts, status: EngineStatus) -> Markup:
    return render("timeline", texts, phases=_phases(texts, status))


def card(texts: Texts, status: EngineStatus) -> Markup:
    """Nothing while the engine runs, or starts because somebody asked for it."""
    again = status.state is EngineState.STARTING and status.failure is not None
    if status.state not in _DOWN and not again:
        return Markup()
    return render(
        "card",
        texts,
        sentence=sentence(texts, status),
        button="" if again else texts(_button(status)),
        offers=[(*_offer(texts, one), one.name) for one in status.offers],
        log=None if status.elsewhere else log(status),
    )


def _button(status: EngineStatus) -> str:
    return "elsewhere.connect_now" if status.elsewhere else "page.engine.start"


def sentence(texts: Texts, status: EngineStatus) -> str:
    """Why the engine is not there, and what is done about it."""
    if status.failure is None:
        return elsewhere.engine_state(texts, status)
    if status.state is EngineState.STARTING:
        what, why = (
            texts(f"errors.{status.failure}.{part}", **status.failure_values)
            for part in ("what", "why")
        )
        return texts("page.engine.again", what=what, why=why)
    return error_words(texts, status.failure, status.failure_values)


def told(texts: Texts, status: EngineStatus) -> list[str]:
    """The same for the terminal, in lines."""
    offered = (_offer(texts, one) for one in status.offers)
    offers = [texts("careful.cost", label=label, cost=cost) for label, cost in offered]
    return [sentence(texts, status), *offers, *([texts("careful.choose")] if offers else [])]


def _offer(texts: Texts, one: Caution) -> tuple[str, str]:
    label, cost = (texts(f"careful.{one.name}.{part}", **one.values) for part in ("label", "cost"))
    return label, cost


def _careful(texts: Texts, status: EngineStatus) -> str:
    names = [texts(f"careful.{name}.label") for name in status.careful]
    return texts("careful.runs", names=texts("careful.comma").join(names)) if names else ""


def log(status: EngineStatus) -> str:
    """The end of the log, long lines cut, without the key that the engine prints."""
    lines = (_SECRET.sub(r"\1…", line) for line in status.log_tail[-_LOG_LINES:])
    return "\n".join(f"{line[:_LOG_COLUMNS]} …" if line[_LOG_COLUMNS:] else line for line in lines)


def _phases(texts: Texts, status: EngineStatus) -> list[dict[str, Any]]:
    """Done, current (while starting), or still to come."""
    phases, waiting = [], status.state is EngineState.STARTING
    for phase in status.timeline:
        state = "done" if phase.at is not None else "current" if waiting else "open"
        waiting = waiting and phase.at is not None
        name = "ready_phase" if phase.name == "ready" else phase.name
        so_far = how_far(texts, phase.progress) if phase.progress else ""
        label = texts(f"page.engine.{name}")
        phases.append({"label": label, "at": phase.at, "state": state, "so_far": so_far})
    return phases
