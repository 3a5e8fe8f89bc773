"""Once a second, for each open page: engine, memory, and whether anything changed.

A plain GET of some kilobytes in place of an event through Gradio's queue, so that it
costs a stream nothing.
"""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import JSONResponse

from chatapp.domain import MemorySample
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui import engine, memory, models, rail
from chatapp.ui.page import Page

_FRESH_S = 0.5


class Pulse:
    """Samples once for all tabs that ask at about the same time."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._app = uuid4().hex
        self._sample: MemorySample | None = None
        self._sampled_at = 0.0

    async def answer(self, request: Request) -> JSONResponse:
        language = request.query_params.get("language")
        texts = Texts(language) if language in LANGUAGES else self._page.texts()
        news, shelf = self.beat(texts), self._page.services.shelf
        if shelf is not None and self._sample is not None:
            await shelf.note(self._sample)
            news["foot"] += models.invitation(texts, shelf)
            if request.query_params.get("view") == "models":
                news["models"] = models.pane(texts, shelf, self._sample)
        return JSONResponse(news, headers={"Cache-Control": "no-store"})

    def beat(self, texts: Texts) -> dict[str, Any]:
        status, sample = self._page.services.engine.status(), self._fresh()
        return {
            "app": self._app,
            "revision": self._page.revision,
            "foot": rail.foot(texts, status),
            "engine": engine.engine(texts, status),
            "card": engine.card(texts, status),
            "start": engine.start(texts, status),
            "memory": memory.memory(texts, sample),
            "strip-memory": escape(memory.strip(texts, sample)),
        }

    def _fresh(self) -> MemorySample:
        now = time.monotonic()
        if self._sample is None or now - self._sampled_at > _FRESH_S:
            self._sample, self._sampled_at = self._page.services.sample(), now
        return self._sample
