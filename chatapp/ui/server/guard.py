"""Who may talk to the page: this machine, through a page of this app.

A foreign ``Host`` is how DNS rebinding comes in, a foreign ``Origin`` is another web
page in the same browser. Both are refused on every route, Gradio's and ours.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class LoopbackOnly:
    """Answers 400 to a foreign Host and 403 to a foreign Origin or cross-site request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = _refusal(Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})


def _refusal(headers: Headers) -> PlainTextResponse | None:
    if _host(f"//{headers.get('host', '')}") not in LOOPBACK:
        return PlainTextResponse("This app answers this machine only.", 400)
    origin = headers.get("origin")
    if origin is not None and not _same_site(origin, headers["host"]):
        return PlainTextResponse("This app answers its own page only.", 403)
    foreign = headers.get("sec-fetch-site") == "cross-site"
    if foreign and headers.get("sec-fetch-mode") != "navigate":
        return PlainTextResponse("This app answers its own page only.", 403)
    return None


def _same_site(origin: str, host: str) -> bool:
    """A page of another program on this machine is foreign too: the port counts."""
    try:
        return _host(origin) in LOOPBACK and urlsplit(origin).port == urlsplit(f"//{host}").port
    except ValueError:
        return False


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


LOCAL_ONLY = (Middleware(LoopbackOnly),)
