"""The line above the conversation: its title."""

from __future__ import annotations

from markupsafe import Markup

from chatapp.domain import EngineStatus
from chatapp.texts import Texts
from chatapp.ui import numbers
from chatapp.ui.render import render


def head(texts: Texts, title: str, status: EngineStatus) -> Markup:
    """Says so when the engine's accept length is simulated."""
    length = status.simulated_accept_length
    simulated = None if length is None else numbers.length(length)
    return render("head", texts, title=title, simulated=simulated)
