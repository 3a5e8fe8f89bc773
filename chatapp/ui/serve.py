"""The web server around the page: guards, our own routes, Gradio, one event loop."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import FileResponse, Response

from chatapp import locations
from chatapp.ui.app import build_app
from chatapp.ui.first_page import FirstPage
from chatapp.ui.gradio_import import gr
from chatapp.ui.guard import LOCAL_ONLY
from chatapp.ui.page import Page, stop_all
from chatapp.ui.pulse import Pulse
from chatapp.ui.services import Services

STYLES = ("tokens", "gradio", "layout", "rail", "conversation", "composer", "panel", "narrow")
FONTS = ("Inter", "system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
CODE_FONTS = ("ui-monospace", "Menlo", "Consolas", "Noto Sans Mono CJK SC", "monospace")


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to whoever runs it: the engine has to be stopped after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """``run`` returns after ``stop`` was called and what was being written is kept."""

    def __init__(self, services: Services, settings: Any, listening: socket.socket) -> None:
        demo, self.page = build_app(services, settings)
        self._socket = listening
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                web_app(demo, self.page),
                log_level="warning",
                access_log=False,
                lifespan="on",
                timeout_graceful_shutdown=1,
            )
        )

    async def run(self) -> None:
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            await stop_all(self.page)

    def stop(self) -> None:
        self._uvicorn.should_exit = True


def web_app(demo: Any, page: Page) -> FastAPI:
    """Gradio at ``/`` behind the guards, our routes beside it."""
    middleware = [*LOCAL_ONLY, Middleware(FirstPage, head=_head())]
    app = FastAPI(middleware=middleware, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_route("/eaglechat/pulse", Pulse(page).answer, methods=["GET"])
    app.add_route("/eaglechat/page.css", _style, methods=["GET"])
    app.add_route("/eaglechat/icon.svg", _icon, methods=["GET"])
    gr.mount_gradio_app(
        app,
        demo,
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size="1mb",
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=gr.themes.Base(font=FONTS, font_mono=CODE_FONTS),
    )
    return app


async def _style(_: Any) -> Response:
    headers = {"Cache-Control": "max-age=31536000, immutable"}
    return Response(style(), media_type="text/css", headers=headers)


async def _icon(_: Any) -> Response:
    return FileResponse(locations.assets() / "icon.svg")


@lru_cache
def style() -> str:
    folder = locations.assets() / "css"
    return "\n".join((folder / f"{name}.css").read_text("utf-8") for name in STYLES)


def _head() -> str:
    first = (locations.assets() / "js" / "first.js").read_text("utf-8")
    version = hashlib.sha256(style().encode()).hexdigest()[:12]
    return (
        f"<script>{first}</script>"
        f'<link rel="stylesheet" href="/eaglechat/page.css?{version}">'
        '<link rel="icon" type="image/svg+xml" href="/eaglechat/icon.svg">'
        '<meta name="color-scheme" content="light dark">'
    )
