"""Where a message is written: the input, the toggle of this conversation, send or stop."""

from __future__ import annotations

from markupsafe import Markup

from chatapp.domain import EngineState, EngineStatus, SpeculationMode
from chatapp.texts import Texts
from chatapp.ui.panes import elsewhere
from chatapp.ui.render import render


def box(texts: Texts) -> Markup:
    return render("box", texts)


def controls(
    texts: Texts,
    status: EngineStatus,
    speculation: bool,
    running: bool,
    switched: bool,
    mode: SpeculationMode = SpeculationMode.ON,
) -> Markup:
    """``switched``: the toggle was flipped while the reply that is running ran. With AUTO,
    ``speculation`` is what was chosen last."""
    return render(
        "controls",
        texts,
        speculation=speculation,
        auto=mode is SpeculationMode.AUTO,
        running=running,
        unavailable=unavailable(status),
        hint=_hint(texts, status, running and switched),
    )


def unavailable(status: EngineStatus) -> bool:
    return status.state is EngineState.READY and not status.switch


def _hint(texts: Texts, status: EngineStatus, switched: bool) -> str:
    if news := elsewhere.news(texts, status):
        return news
    if unavailable(status):
        reason = texts(status.switch_reason) if status.switch_reason else "?"
        return texts("page.composer.unavailable", reason=reason)
    if switched:
        return texts("page.composer.next")
    return "" if status.state is EngineState.READY else texts("page.composer.wait")


def dialogs(texts: Texts) -> Markup:
    """Rename and delete; opened by the page itself."""
    return render("dialog", texts)
