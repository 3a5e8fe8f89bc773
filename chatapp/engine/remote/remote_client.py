"""The streams of an engine elsewhere, with its own words for what goes wrong on the way."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from typing import Any

import certifi
import httpx

from chatapp.domain import Chunk, Sampling
from chatapp.engine.client import EngineClient, refusal
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.waits import Waits
from chatapp.errors import EngineError
from chatapp.measure.reply.metrics import held_back

CONNECT_S, ANSWER_S, SILENT_S = 5.0, 30.0, 600.0
# What a proxy answers whose engine is not there, or not yet, and SGLang's gateways.
_NOBODY_BEHIND = (
    *("502", "503", "504", "no_available_workers"),
    *("call_upstream_connection_failed", "call_upstream_request_error"),
)
_WORDS = {
    "engine_broke_off": "remote_broke_off",
    "engine_silent": "remote_silent",
    "engine_key": "remote_key",
    "engine_strange_answer": "remote_strange",
}
Heard = Callable[[str], None]


class RemoteClient(EngineClient):
    """``uncounted``: it speculates, and tells so with the last chunk only. ``heard`` is told
    the key of what went wrong with a stream, or ``held_back``: a proxy kept it until its end.
    A wait that ``waits`` gives up is a stream that broke off.
    """

    def __init__(
        self, address: Address, uncounted: bool, heard: Heard, waits: Waits | None = None
    ) -> None:
        super().__init__(address.url, address.key)
        self._address, self._uncounted, self._heard = address, uncounted, heard
        self._waits = waits or Waits()

    async def stream(
        self,
        prompt_ids: Sequence[int],
        sampling: Sampling,
        speculation: bool,
        conversation: str = "",
    ) -> AsyncGenerator[Chunk, None]:
        began: float | None = None
        try:
            stream = super().stream(prompt_ids, sampling, speculation, conversation)
            async with aclosing(stream) as chunks:
                async for chunk in self._until_lost(chunks):
                    began = chunk.at if began is None else began
                    if held_back(chunk.at - began, chunk.decode_s):
                        self._heard("held_back")
                    yield _speculating(chunk) if self._uncounted else chunk
        except EngineError as error:
            told = in_words(error, self._address)
            self._heard(told.key)
            raise told from error

    async def _until_lost(self, chunks: AsyncGenerator[Chunk]) -> AsyncGenerator[Chunk]:
        while True:
            try:
                async with self._waits.one():
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise EngineError("engine_broke_off") from error
            yield chunk

    def _options(self) -> dict[str, Any]:
        return connection(self._address, httpx.Timeout(ANSWER_S, connect=CONNECT_S, read=SILENT_S))


def _speculating(chunk: Chunk) -> Chunk:
    return replace(chunk, speculation=True)


def in_words(error: EngineError, address: Address) -> EngineError:
    """The same fault of a stream, said of an engine elsewhere."""
    if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
        return fault(error.__cause__, address)
    if error.values.get("code") in _NOBODY_BEHIND:
        return EngineError("remote_starting", host=address.host)
    return EngineError(_WORDS.get(error.key, error.key), host=address.host, **error.values)


def connection(address: Address, timeout: httpx.Timeout | None = None) -> dict[str, Any]:
    """What httpx clients at this address have in common. Certificates are verified; proxies
    of the environment count for what is not on this machine."""
    return {
        "base_url": address.url,
        "headers": {"Authorization": f"Bearer {address.key}"} if address.key else {},
        "timeout": timeout or httpx.Timeout(ANSWER_S, connect=CONNECT_S),
        "trust_env": not address.here,
        "verify": certificates() if address.url.startswith("https:") else False,
    }


@lru_cache
def certificates() -> ssl.SSLContext:
    """Those that this system trusts, a company's own among them, and those of certifi."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def fault(error: Exception, address: Address) -> EngineError:
    """What went wrong when the engine was asked something."""
    host = address.host
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        if status in (401, 403):
            return EngineError("remote_key", host=host)
        if refusal(error.response).values["code"] in _NOBODY_BEHIND:
            return EngineError("remote_starting", host=host)
        return EngineError("remote_strange", host=host)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return EngineError("remote_untrusted", host=host, reason=_reason(error))
    if isinstance(error, httpx.TimeoutException):
        return EngineError("remote_silent", host=host)
    if isinstance(error, httpx.TransportError):
        return EngineError("remote_unreachable", host=host)
    return EngineError("remote_strange", host=host)


def _reason(error: Exception) -> str:
    """``[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed …`` → its end."""
    return str(error).rpartition("verify failed: ")[2].partition(" (_ssl")[0]
