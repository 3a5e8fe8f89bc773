"""The web server around the page: guards, our own routes, Gradio, one event loop.

``listen`` binds the port before anything heavy is imported, so that a browser that is
opened at once finds somebody there; ``Server`` serves on that socket until it is told to
stop.
"""

from __future__ import annotations

import errno
import hashlib
import socket
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


class Server:
    """``run`` returns when the process is asked to end (or ``stop`` was called)."""

    def __init__(self, services: Services, settings: Any, listening: socket.socket) -> None:
        demo, self.page = build_app(services, settings)
        self._socket = listening
        self._uvicorn = uvicorn.Server(
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


def listen(port: int | None, default: int = 7860, tries: int = 100) -> socket.socket:
    """A listening socket on the loopback: ``port`` or ``default``, else the next free one.
    Raises OSError when there is none."""
    first = port or default
    for candidate in range(first, min(first + tries, 65536)):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", candidate))
            listening.listen(128)
            return listening
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    raise OSError(errno.EADDRINUSE, f"{first}–{first + tries - 1}")
