"""Our style, icon and theme in the page that Gradio serves, before its own script runs.

Gradio adds a page's head from JavaScript, after its first paint; ours must be there for
the first paint, or the page would flash in another colour.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class FirstPage:
    """Puts ``head`` behind ``<head>`` of ``/``; everything else passes untouched."""

    def __init__(self, app: ASGIApp, head: str) -> None:
        self._app = app
        self._head = head.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        plain = [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]
        answer = _Rewrite(send, self._head)
        await self._app({**scope, "headers": plain}, receive, answer)


class _Rewrite:
    def __init__(self, send: Send, head: bytes) -> None:
        self._send, self._head = send, head
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body") or self._start is None:
            return
        if "text/html" in Headers(raw=self._start["headers"]).get("content-type", ""):
            self._body = self._body.replace(b"<head>", b"<head>" + self._head, 1)
        headers = MutableHeaders(raw=self._start["headers"])
        headers["content-length"] = str(len(self._body))
        headers["cache-control"] = "no-store"
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})
