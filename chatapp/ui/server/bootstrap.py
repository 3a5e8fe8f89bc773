"""The page at once, and Gradio when it is there.

Importing Gradio takes a second or two, and its page is blank until its script has run.
So ``/`` answers in two pieces: first a picture of the page in plain HTML, with an input
that can be typed into, then, as soon as there is one, the page that Gradio serves, which
takes the picture's place. All else that its page asks for waits for it; what its page does not
ask for is not there at all.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.ui.server.gradio_private import head_and_body, page_uses, with_nonce
from chatapp.ui.server.policy import content_policy

Picture = Callable[[Request, str], str]

_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


class Bootstrap:
    """``picture`` gives the page up to and into its body, its scripts with the nonce that it
    is given."""

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
        if scope["type"] != "http" or not page_uses(scope["method"], scope["path"]):
            await self._none(scope, receive, send)
            return
        await self._there.wait()
        if self._gradio is not None:
            await self._gradio(scope, receive, send)

    async def _none(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse("404", 404)(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        nonce = secrets.token_urlsafe(16)
        first = self._picture(Request(scope), nonce).encode()
        policy = (b"content-security-policy", content_policy(nonce).encode())
        headers = [*_HEADERS, policy]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        await self._there.wait()
        rest = with_nonce(await self._rest(scope, receive), nonce)
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
