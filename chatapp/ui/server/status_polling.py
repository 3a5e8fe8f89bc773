"""Once a second, for each open page: engine, memory, and whether anything changed.

A plain GET of some kilobytes in place of an event through Gradio's queue, so that it
costs a stream nothing.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import JSONResponse

from chatapp.application.monitor import Moment
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.page import Page
from chatapp.ui.panes import engine_box, memory, models, rail
from chatapp.ui.panes.left_behind import left_behind


class StatusPolling:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._app = uuid4().hex

    async def answer(self, request: Request) -> JSONResponse:
        language = request.query_params.get("language")
        texts = Texts(language) if language in LANGUAGES else self._page.texts()
        moment = await self._page.services.monitor.look()
        news, manager = self.beat(texts, moment), self._page.services.models
        if manager is not None:
            if manager.settings.engine_url is None:
                news["foot"] += models.invitation(texts, manager)
            if request.query_params.get("view") == "models":
                connection = self._page.services.connection
                news["models"] = models.pane(texts, manager, moment, connection)
        return JSONResponse(news, headers={"Cache-Control": "no-store"})

    def beat(self, texts: Texts, moment: Moment) -> dict[str, Any]:
        status = self._page.services.engine.status()
        orphans = self._page.services.engine.orphans
        return {
            "app": self._app,
            "revision": self._page.revision,
            "foot": rail.foot(texts, status),
            "engine": engine_box.engine(texts, status),
            "card": engine_box.card(texts, status) + left_behind(texts, orphans, moment.sample.gpu),
            "start": engine_box.start(texts, status),
            "memory": memory.memory(texts, moment, status.elsewhere),
            "strip-memory": escape(memory.strip(texts, moment, status.elsewhere)),
        }
