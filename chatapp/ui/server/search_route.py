"""A search as it is typed: a plain GET that gives the list of what was found."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from chatapp.chat.search import Search
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.page import Page
from chatapp.ui.panes.found import found

_LIMIT = 50
_LONGEST = 200


def route(page: Page) -> Route:
    search = Search(page.services.store)

    async def answer(request: Request) -> HTMLResponse:
        language = request.query_params.get("language")
        texts = Texts(language) if language in LANGUAGES else page.texts()
        asked = request.query_params.get("q", "")[:_LONGEST]
        hits = await asyncio.to_thread(search.find, asked, _LIMIT)
        return HTMLResponse(str(found(texts, hits, _LIMIT)), headers={"Cache-Control": "no-store"})

    return Route("/eaglechat/search", answer)
