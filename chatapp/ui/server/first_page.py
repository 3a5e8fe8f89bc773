"""The picture of the page that is there at once: the same panes in the same places.

It is made of what the page itself is made of. Its input can be typed into; the page's own
script takes over what was typed.
"""

from __future__ import annotations

import hashlib
from datetime import date
from functools import lru_cache

from markupsafe import Markup
from starlette.requests import Request

from chatapp import locations
from chatapp.ui.page import Page
from chatapp.ui.panes import rail
from chatapp.ui.render import render

STYLES = (
    *("tokens", "gradio", "layout", "rail", "conversation", "composer", "panel"),
    *("steps", "experiments", "models", "narrow", "entrance"),
)


def first_page(page: Page, request: Request, nonce: str) -> str:
    """A whole HTML page but for its end; its scripts carry ``nonce``."""
    texts = page.texts(request.headers.get("accept-language", ""))
    view = page.blank(texts) | {
        "rail": rail.rail(texts, page.services.store.conversations(), None, (), date.today()),
        "foot": rail.foot(texts, page.services.engine.status()),
    }
    return str(
        render(
            "first_page",
            texts,
            script=Markup(_script()),
            nonce=nonce,
            version=_version(),
            theme=page.services.store.preference("theme") or "",
            language=texts.row.tag,
            **view,
        )
    )


@lru_cache
def style() -> str:
    folder = locations.assets() / "css"
    return "\n".join((folder / f"{name}.css").read_text("utf-8") for name in STYLES)


@lru_cache
def _version() -> str:
    return hashlib.sha256(style().encode()).hexdigest()[:12]


@lru_cache
def _script() -> str:
    return (locations.assets() / "js" / "first.js").read_text("utf-8")
