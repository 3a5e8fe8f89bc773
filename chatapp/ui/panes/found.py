"""What a search found, in the place of the list of conversations."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from chatapp.chat.search import Found
from chatapp.domain import Role
from chatapp.texts import Texts
from chatapp.ui.render import render

_KEYS = {0: "none", 1: "one"}


def found(texts: Texts, hits: Sequence[Found], limit: int) -> Markup:
    """``limit``: how many messages are looked for at most."""
    key = "most" if len(hits) >= limit else _KEYS.get(len(hits), "many")
    summary = texts(f"page.search.{key}", count=len(hits))
    return render("found", texts, summary=summary, found=[_hit(texts, hit) for hit in hits])


def _hit(texts: Texts, hit: Found) -> dict[str, object]:
    mine = hit.role is Role.USER
    return {
        "conversation": hit.conversation_id,
        "message": hit.message_id,
        "title": hit.title or texts("page.head.untitled"),
        "who": texts("page.message.you" if mine else "page.message.reply"),
        "before": hit.snippet.before,
        "hit": hit.snippet.hit,
        "after": hit.snippet.after,
    }
