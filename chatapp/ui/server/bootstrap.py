"""The page at once, and Gradio when it is there.

Importing Gradio takes a second or two, and its page is blank until its script has run.
So ``/`` answers in two pieces: first a picture of the page in plain HTML, with an input
that can be typed into, then, as soon as there is one, the page that Gradio serves, which
takes the picture's place. All else that Gradio serves waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.ui.server.gradio_private import head_and_body

Picture = Callable[[Request], str]

_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


class Bootstrap:
    """``picture`` gives the page up to and into its body."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._gradio: ASGIApp | None = None
        self._there = asyncio.Event()

    def open(self, gradio: ASGIApp | None) -> None:
        """From now on ``gradio`` answers; None: there will be none."""
        self._gradio = gradio
        self._there.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/" and scope["method"] == "GET":
            await self._page(scope, receive, send)
            return
        await self._there.wait()
        if self._gradio is not None:
            await self._gradio(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = self._picture(Request(scope)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        await self._there.wait()
        rest = await self._rest(scope, receive)
        await send({"type": "http.response.body", "body": rest + b"</body></html>"})

    async def _rest(self, scope: Scope, receive: Receive) -> bytes:
        """What Gradio's page has in its head and body."""
        if self._gradio is None:
            return b""
        whole = bytearray()

        async def keep(message: Message) -> None:
            whole.extend(message.get("body", b""))

        await self._gradio({**scope, "headers": _uncompressed(scope)}, receive, keep)
        return head_and_body(bytes(whole))


def _uncompressed(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in Headers(scope=scope).raw if name != b"accept-encoding"]
