"""The line above the conversation: its title and its export."""

from __future__ import annotations

from markupsafe import Markup

from chatapp.domain import EngineStatus
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render


def head(texts: Texts, title: str, status: EngineStatus, conversation: int | None = None) -> Markup:
    """Says so when the engine's accept length is simulated. ``conversation`` is the one that
    can be exported."""
    length = status.simulated_accept_length
    simulated = None if length is None else number_format.length(length)
    return render("head", texts, title=title, simulated=simulated, conversation=conversation)
