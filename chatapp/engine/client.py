"""The engine's HTTP side: its native stream as typed chunks.

Closing a stream before its end aborts the request, so the engine does not write on for
nobody; behind a gateway, which has no way to abort, the closed connection does it. Every failure
is an EngineError. Usable from any event loop.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
from httpx_sse import SSEError, aconnect_sse

from chatapp.domain import Chunk, Sampling
from chatapp.engine.activity import Activity
from chatapp.engine.chunks import read_chunk
from chatapp.errors import EngineError

_TIMEOUT = httpx.Timeout(10, read=600)
_ABORT_WAIT_S = 0.1

OFF = {"extra_key": "speculation=off"}
"""What a request with speculation off says beside its ``custom_params``. A gateway that rebuilds
requests from the fields it knows drops those in silence; the namespace of the prefix cache,
which our plug-in would give such a request anyway, it passes on."""
ROUTING_KEY = "X-SMG-Routing-Key"


class EngineClient:
    """``base_url`` such as ``http://127.0.0.1:31000``. ``activity`` is told of every stream."""

    def __init__(self, base_url: str, api_key: str = "", activity: Activity | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._activity = activity or Activity()
        self._aborts: set[asyncio.Task[None]] = set()

    async def stream(
        self,
        prompt_ids: Sequence[int],
        sampling: Sampling,
        speculation: bool,
        conversation: str = "",
    ) -> AsyncGenerator[Chunk]:
        """The reply to ``prompt_ids``, chunk by chunk; the last has a finish reason. By
        ``conversation`` a gateway finds the engine that has the turns before in its cache."""
        request_id = secrets.token_hex(16)
        body = generate_body(prompt_ids, sampling, speculation) | {"rid": request_id}
        sent_at = time.monotonic()
        finished = False
        try:
            with self._activity.awaiting():
                async for event in self._events(body, conversation):
                    self._activity.sign()
                    chunk = read_chunk(event, time.monotonic() - sent_at)
                    finished = chunk.finish_reason is not None
                    yield chunk
            if not finished:
                raise EngineError("engine_broke_off")
        finally:
            if not finished:
                await self._abort(request_id)

    async def server_info(self) -> dict[str, Any]:
        """Everything the engine says about itself."""
        async with self._client() as client:
            response = await client.get("/server_info", timeout=30)
            _check(response)
            told: dict[str, Any] = response.json()
            return told

    async def loads(self) -> dict[str, Any]:
        """How full it is at this moment; costs the engine next to nothing."""
        async with self._client() as client:
            response = await client.get("/v1/loads", timeout=2)
            _check(response)
            told: dict[str, Any] = response.json()
            return told

    async def aclose(self) -> None:
        """Waits for aborts that are still on their way."""
        if self._aborts:
            await asyncio.wait(set(self._aborts), timeout=5)

    async def _events(
        self, body: dict[str, Any], conversation: str
    ) -> AsyncGenerator[dict[str, Any]]:
        route = {ROUTING_KEY: conversation} if conversation else {}
        async with self._client() as client:
            async with aconnect_sse(
                client, "POST", "/generate", json=body, headers=route
            ) as source:
                if source.response.is_error:
                    await source.response.aread()
                _check(source.response)
                async for event in source.aiter_sse():
                    if event.data == "[DONE]":
                        return
                    yield _event(event.data)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client per request: connections belong to one event loop, and on loopback they
        cost nothing."""
        try:
            async with httpx.AsyncClient(**self._options()) as client:
                yield client
        except (httpx.HTTPError, SSEError, httpx.StreamError) as error:
            raise EngineError(_transport_key(error)) from error
        except json.JSONDecodeError as error:
            raise EngineError("engine_strange_answer") from error

    def _options(self) -> dict[str, Any]:
        """Of an engine on this machine. Proxy variables do not count."""
        return {
            "base_url": self.base_url,
            "headers": self._headers,
            "timeout": _TIMEOUT,
            "trust_env": False,
            "verify": False,
        }

    async def _abort(self, request_id: str) -> None:
        """Goes on by itself when whoever stops cannot wait."""
        task = asyncio.create_task(self._send_abort(request_id))
        self._aborts.add(task)
        task.add_done_callback(self._aborts.discard)
        await asyncio.wait({task}, timeout=_ABORT_WAIT_S)

    async def _send_abort(self, request_id: str) -> None:
        try:
            async with self._client() as client:
                await client.post("/abort_request", json={"rid": request_id}, timeout=5)
        except EngineError:
            pass  # an engine that is gone has nothing left to abort


def on_one_engine(
    client: EngineClient,
) -> Callable[[Sequence[int], Sampling, bool], AsyncGenerator[Chunk]]:
    """``client.stream`` for what is to be compared: where a gateway stands before several
    engines, all of it goes to the same."""
    return partial(client.stream, conversation=secrets.token_hex(8))


def generate_body(
    prompt_ids: Sequence[int], sampling: Sampling, speculation: bool
) -> dict[str, Any]:
    """The request that SGLang's ``/generate`` takes."""
    parameters: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "max_new_tokens": sampling.max_tokens,
        "custom_params": {"speculation": speculation},
    }
    if sampling.seed is not None:
        parameters["sampling_seed"] = sampling.seed
    if sampling.stop:
        parameters["stop"] = list(sampling.stop)
    body = {"input_ids": list(prompt_ids), "sampling_params": parameters, "stream": True}
    return body if speculation else body | OFF


def _event(data: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(data)
    if _lost_by_gateway(event.get("error")):
        raise EngineError("engine_broke_off")
    if "error" in event:
        raise EngineError("engine_refused", reason=_reason(event))
    return event


def _lost_by_gateway(error: Any) -> bool:
    """smg ends a stream in good order when its engine did not."""
    return isinstance(error, dict) and error.get("type") == "stream_error"


def _check(response: httpx.Response) -> None:
    if response.status_code in (401, 403):
        raise EngineError("engine_key")
    if response.is_error:
        raise refusal(response)


def refusal(response: httpx.Response) -> EngineError:
    """In the words of who answered; ``code`` is theirs as well, else the status."""
    status = str(response.status_code)
    try:
        answer = response.json()
    except ValueError:
        return EngineError("engine_refused", reason=status, code=status)
    error = answer.get("error") if isinstance(answer, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return EngineError("engine_refused", reason=_reason(answer), code=code or status)


def _reason(answer: Any) -> str:
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]


def _transport_key(error: Exception) -> str:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "engine_unreachable"
    if isinstance(error, SSEError):
        return "engine_strange_answer"
    return "engine_silent" if isinstance(error, httpx.TimeoutException) else "engine_broke_off"
