"""One tab of the page without a browser: it sends the page's events and keeps all that
comes back, which is at least what a browser would have shown."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from gradio_client.utils import apply_diff

from tests.soaking.drawn import Drawn, replies

_CONFIG = "window.gradio_config = "
_TIMEOUT = httpx.Timeout(30, read=600)


@dataclass
class Tab:
    """``door`` is the page's address with its key. ``sent`` are the messages that the page
    took, ``shown`` how much of the reply to each has come here, as letters."""

    door: str
    panes: dict[str, str] = field(default_factory=dict)
    hub: dict[str, Any] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._session = secrets.token_hex(6)
        self._client = httpx.AsyncClient(
            base_url=self.door.partition("?")[0],
            timeout=_TIMEOUT,
            trust_env=False,
            follow_redirects=True,
        )

    @property
    def conversation(self) -> int | None:
        return self.hub.get("conversation")

    @property
    def streaming(self) -> bool:
        return any(reply.letters for reply in replies(self.panes.get("live", "")))

    @property
    def settled(self) -> list[Drawn]:
        return replies(self.panes.get("transcript", ""))

    async def open(self, conversation: int | None = None) -> None:
        """Loads the page. Raises httpx.HTTPError when there is none."""
        page = (await self._client.get(self.door)).raise_for_status().text
        config, _ = json.JSONDecoder().raw_decode(page, page.index(_CONFIG) + len(_CONFIG))
        self._names = {
            component["id"]: component["props"].get("elem_id", "").removeprefix("ec-pane-")
            for component in config["components"]
        }
        self._events = {
            name.removeprefix("do_"): dependency
            for dependency in config["dependencies"]
            for _, name in dependency["targets"]
        }
        async for _ in self.act("hello", conversation=conversation):
            pass

    async def send(self, text: str) -> None:
        """Sends it and follows the reply to its end."""
        taken = False
        async for _ in self.act("send", text=text, nonce=secrets.token_hex(4)):
            if not taken:
                taken = True
                self.sent.append(text)
                self.shown.append("")
            for reply in replies(self.panes.get("live", "")) or self.settled[-1:]:
                self.shown[-1] = reply.letters

    async def act(self, action: str, **data: Any) -> AsyncIterator[None]:
        """Does it; comes by once for each view. Raises httpx.HTTPError when the page goes."""
        dependency = self._events[action]
        body = {
            "data": [],
            "event_data": {"conversation": self.conversation, "browser": "en-US"} | data,
            "fn_index": dependency["id"],
            "trigger_id": None,
            "session_hash": self._session,
        }
        joined = await self._client.post("/gradio_api/queue/join", json=body)
        event = joined.raise_for_status().json()["event_id"]
        values: list[Any] = []
        async for message in self._messages():
            if message.get("event_id") != event or "output" not in message:
                continue
            values = _values(message, values)
            self._take(dependency["outputs"], values)
            yield
            if message["msg"] == "process_completed":
                return

    async def close(self) -> None:
        await self._client.aclose()

    async def _messages(self) -> AsyncIterator[dict[str, Any]]:
        where = f"/gradio_api/queue/data?session_hash={self._session}"
        async with self._client.stream("GET", where) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])

    def _take(self, outputs: list[int], values: list[Any]) -> None:
        for component, value in zip(outputs, values, strict=False):
            name = self._names[component]
            if name == "ec-hub" and isinstance(value, dict) and "sequence" in value:
                self.hub = value
            elif isinstance(value, str):
                self.panes[name] = value


def _values(message: dict[str, Any], before: list[Any]) -> list[Any]:
    """The outputs whole: all but the first of a generator's messages are differences."""
    data = message["output"].get("data", [])
    if message["msg"] == "process_generating" and before:
        return [apply_diff(old, change) for old, change in zip(before, data, strict=True)]
    return data or before
