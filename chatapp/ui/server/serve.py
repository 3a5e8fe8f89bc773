"""The web server: guards in front, the page at once, Gradio behind, one event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route

from chatapp import locations
from chatapp.application.services import Services
from chatapp.settings import Settings
from chatapp.ui.page import Page, stop_all
from chatapp.ui.server import downloads, gradio_private, search_route
from chatapp.ui.server.bootstrap import Bootstrap
from chatapp.ui.server.entrance import Entrance
from chatapp.ui.server.first_page import first_page, style
from chatapp.ui.server.guard import LOCAL_ONLY
from chatapp.ui.server.page_key import PageKey
from chatapp.ui.server.policy import Policy
from chatapp.ui.server.status_polling import StatusPolling

FONTS = ("Inter", "system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
CODE_FONTS = ("ui-monospace", "Menlo", "Consolas", "Noto Sans Mono CJK SC", "monospace")


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to whoever runs it: the engine has to be stopped after it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """``run`` returns after ``stop`` was called and what was being written is kept."""

    def __init__(
        self, services: Services, settings: Settings, listening: socket.socket, key: PageKey
    ) -> None:
        self.page = Page(services, settings)
        self._socket = listening
        self._bootstrap = Bootstrap(lambda request, nonce: first_page(self.page, request, nonce))
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                web_app(self.page, self._bootstrap, key),
                log_config=None,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )

    async def run(self) -> None:
        gradio = asyncio.create_task(self._open_gradio())
        gradio.add_done_callback(lambda _: self.stop())
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            gradio.cancel()
            await asyncio.wait([gradio])
            await stop_all(self.page)
        if not gradio.cancelled() and (broken := gradio.exception()):
            raise broken

    def stop(self) -> None:
        self._uvicorn.should_exit = True

    async def _open_gradio(self) -> None:
        """Gradio is imported and built beside the running server, and closed with it."""
        try:
            app = await asyncio.to_thread(_gradio_app, self.page)
            async with app.router.lifespan_context(app):
                self._bootstrap.open(app)
                await asyncio.Event().wait()
        finally:
            self._bootstrap.open(None)


def web_app(page: Page, front: Bootstrap, key: PageKey) -> Starlette:
    """Our few routes, and ``front`` for all else, behind the guards and the door."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield

    routes = [
        Route("/eaglechat/pulse", StatusPolling(page).answer),
        search_route.route(page),
        Route("/eaglechat/page.css", _style),
        Route("/eaglechat/icon.svg", _icon),
        *downloads.routes(page.services, page.settings),
        Mount("/", front),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Policy), *LOCAL_ONLY, Middleware(Entrance, key=key)],
        lifespan=lifespan,
    )


def _gradio_app(page: Page) -> Any:
    from fastapi import FastAPI

    from chatapp.ui.server.app import build_app

    gr = gradio_private.load()
    return gr.mount_gradio_app(
        FastAPI(openapi_url=None, docs_url=None, redoc_url=None),
        build_app(page),
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


async def _style(_: Any) -> Response:
    headers = {"Cache-Control": "max-age=31536000, immutable"}
    return Response(style(), media_type="text/css", headers=headers)


async def _icon(_: Any) -> Response:
    return FileResponse(locations.assets() / "icon.svg")
