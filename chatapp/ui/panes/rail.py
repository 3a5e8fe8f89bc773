"""The left column: conversations by day, and what there is to know of the engine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup

from chatapp.domain import Conversation, EngineStatus
from chatapp.pairs.drafters import DRAFTERS
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes.elsewhere import engine_state
from chatapp.ui.render import render

DAYS = ("today", "yesterday", "earlier")


def rail(
    texts: Texts,
    conversations: Sequence[Conversation],
    current: int | None,
    running: Collection[int],
    today: date,
) -> Markup:
    """``running`` are the conversations in which a reply is being written."""
    untitled = texts("page.head.untitled")
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in DAYS}
    for conversation in conversations:
        groups[day(conversation.updated, today)].append(
            {
                "id": conversation.id,
                "title": conversation.title or untitled,
                "speculation": conversation.speculation,
                "current": conversation.id == current,
                "running": conversation.id in running,
            }
        )
    filled = [_Group(name, items) for name, items in groups.items() if items]
    return render("rail", texts, groups=filled)


class _Group:
    """``items`` of a dict is its method in a template; of this it is the list."""

    def __init__(self, name: str, items: list[dict[str, Any]]) -> None:
        self.name, self.items = name, items


def day(at: float, today: date) -> str:
    """Which group a time in epoch seconds belongs to."""
    on = datetime.fromtimestamp(at).date()
    if on >= today:
        return "today"
    return "yesterday" if on == today - timedelta(days=1) else "earlier"


def top(texts: Texts) -> Markup:
    return render("top", texts)


def choices(texts: Texts) -> Markup:
    return render("choices", texts, languages=LANGUAGES.values(), current=texts.row)


def foot(texts: Texts, status: EngineStatus) -> Markup:
    tree = texts("page.engine.tree", tree=status.tree) if status.tree else ""
    drafter = texts(f"drafter.{status.drafter}.name") if status.drafter in DRAFTERS else ""
    address = status.address.removeprefix("http://").removesuffix("/v1")
    told = (drafter, tree, status.dtype, status.device, address)
    facts = [fact for fact in told if fact and fact != status.pair_name]
    return render("foot", texts, status=status, state=engine_state(texts, status), facts=facts)
