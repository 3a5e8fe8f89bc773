"""The door of the page. Other people of this machine reach its port as well as its person
does, so it asks for the page's key: once, in the address that is opened for the person, or
typed into the one page that everybody sees; after that a cookie stands for it.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chatapp.texts import Texts, nearest_language
from chatapp.ui.render import render
from chatapp.ui.server.page_key import KEY, TICKET, PageKey, same

OPEN_PATHS = frozenset({"/eaglechat/page.css", "/eaglechat/icon.svg"})
ENTER = "/eaglechat/enter"
_LONGEST_FORM = 4096
_COOKIE_S = 400 * 86_400
_WRONG_TAKES_S = 0.5  # guessing must not be quick


class Entrance:
    """Lets through who has the cookie; all others get the page that asks for the key, or
    403 where no page is wanted."""

    def __init__(self, app: ASGIApp, key: PageKey) -> None:
        self._app, self._key = app, key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and (answer := await self._answer(Request(scope, receive))):
            await answer(scope, receive, send)
        elif scope["type"] == "websocket" and not self._known(HTTPConnection(scope)):
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """None: come in."""
        path, method = request.url.path, request.method
        if path == ENTER and method == "POST":
            return await self._enter(request, same(await _typed(request), self._key.value))
        if path == "/" and method == "GET" and (shown := request.query_params.get(KEY)):
            return await self._enter(request, same(shown, self._key.value))
        if path == "/" and method == "GET" and (shown := request.query_params.get(TICKET)):
            return await self._enter(request, self._key.takes(shown) or self._known(request))
        if self._known(request):
            return None
        if path == "/" and method == "GET":
            return _door(request, wrong=False)
        return PlainTextResponse("This page asks for its key first.", 403)

    async def _enter(self, request: Request, welcome: bool) -> Response:
        if not welcome:
            await asyncio.sleep(_WRONG_TAKES_S)
            return _door(request, wrong=True)
        answer = RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})
        answer.set_cookie(
            _cookie(request), self._key.cookie, max_age=_COOKIE_S, httponly=True, samesite="lax"
        )
        return answer

    def _known(self, connection: HTTPConnection) -> bool:
        return same(connection.cookies.get(_cookie(connection), ""), self._key.cookie)


def _cookie(connection: HTTPConnection) -> str:
    """Cookies do not know ports, and two apps may run on one machine."""
    return f"eaglechat-{connection.url.port or 80}"


async def _typed(request: Request) -> str:
    """What stands in the form; nothing where it is no form of ours."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            return ""
    return parse_qs(body.decode("utf-8", "replace")).get(KEY, [""])[0].strip()


def _door(request: Request, wrong: bool) -> HTMLResponse:
    texts = Texts(nearest_language(request.headers.get("accept-language", "")))
    language = "zh-CN" if texts.language == "zh" else "en"
    page = render("entrance", texts, language=language, wrong=wrong, action=ENTER, field=KEY)
    return HTMLResponse(str(page), 403, headers={"Cache-Control": "no-store"})
