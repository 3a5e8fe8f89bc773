"""The client against a server that misbehaves in ways that a real engine rarely does.

What a healthy engine streams is tested on the real one, in tests/engine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest

from chatapp.domain import Sampling
from chatapp.engine.chunks import read_chunk
from chatapp.engine.client import EngineClient, generate_body, on_one_engine
from chatapp.errors import EngineError
from chatapp.texts import LANGUAGES, Texts

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def event(tokens: int, **meta: Any) -> dict[str, Any]:
    told = {"completion_tokens": tokens, "prompt_tokens": 3, "finish_reason": None} | meta
    return {"text": "x" * tokens, "output_ids": list(range(tokens)), "meta_info": told}


def line(data: Any) -> bytes:
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


@asynccontextmanager
async def server(
    answer: bytes, hold: bool = False
) -> AsyncIterator[tuple[EngineClient, list[bytes]]]:
    """Says ``answer`` to ``/generate``, then hangs up, or holds the line."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        heard.append(head.split(b" ")[1] + b" " + await reader.readexactly(length))
        generate = b"/generate" in head
        writer.write(answer if generate else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        if hold and generate:
            await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield EngineClient(f"http://127.0.0.1:{port}", "key"), heard
    finally:
        listening.close()


async def failure(answer: bytes) -> str:
    async with server(answer) as (client, _):
        with pytest.raises(EngineError) as failed:
            async for _ in client.stream([1], Sampling(), True):
                pass
    for language in LANGUAGES:
        assert "{" not in failed.value.words(Texts(language))
    return failed.value.key


REFUSAL = {"error": {"message": "temperature must be positive", "code": 400}}
LOST = {"error": {"message": "Stream error: unexpected EOF", "type": "stream_error"}}  # smg's
ABORTED = {"type": "abort", "message": "no room", "status_code": 503}


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (HEAD + line(event(1)), "engine_broke_off"),
        (HEAD, "engine_broke_off"),
        (HEAD + line(b"{nonsense"), "engine_strange_answer"),
        (HEAD + line({"something": "else"}), "engine_strange_answer"),
        (HEAD + line(REFUSAL) + line(b"[DONE]"), "engine_refused"),
        (HEAD + line(event(1)) + line(LOST) + line(b"[DONE]"), "engine_broke_off"),
        (HEAD + line(event(0, finish_reason=ABORTED)), "engine_refused"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "engine_key"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "engine_refused"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
         "engine_strange_answer"),
        (b"SSH-2.0-OpenSSH\r\n", "engine_broke_off"),
    ],
)  # fmt: skip
async def test_each_fault_has_its_key(answer: bytes, key: str) -> None:
    assert await failure(answer) == key


async def test_nobody_listens() -> None:
    with pytest.raises(EngineError) as failed:
        async for _ in EngineClient("http://127.0.0.1:9", "key").stream([1], Sampling(), True):
            pass
    assert failed.value.key == "engine_unreachable"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
async def test_proxy_variables_do_not_count(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    last = line(event(1, finish_reason={"type": "stop"})) + line(b"[DONE]")
    async with server(HEAD + last) as (client, heard):
        chunks = [chunk async for chunk in client.stream([1], Sampling(), True)]
    assert chunks[-1].finish_reason == "stop"
    assert [word.split(b" ")[0] for word in heard] == [b"/generate"]  # nothing to abort


async def test_a_gateway_is_told_which_conversation_it_is() -> None:
    sent: list[str | None] = []

    class Client(EngineClient):
        def _options(self) -> dict[str, Any]:
            async def note(request: httpx.Request) -> None:
                sent.append(request.headers.get("x-smg-routing-key"))

            return super()._options() | {"event_hooks": {"request": [note]}}

    async with server(HEAD + line(event(1, finish_reason={"type": "stop"}))) as (there, _):
        for conversation in ((), ("c7",)):
            stream = Client(there.base_url).stream([1], Sampling(), True, *conversation)
            assert [chunk async for chunk in stream]
        stream = on_one_engine(Client(there.base_url))
        for on in (True, False):
            assert [chunk async for chunk in stream([1], Sampling(), on)]
    assert sent[:2] == [None, "c7"] and sent[2] == sent[3] not in (None, "c7")


async def aborts(leave: Callable[[EngineClient], Any]) -> list[dict[str, Any]]:
    async with server(HEAD + line(event(1)), hold=True) as (client, heard):
        await leave(client)
        await client.aclose()
    asked = [json.loads(word.partition(b" ")[2]) for word in heard]
    assert [word.split(b" ")[0] for word in heard] == [b"/generate", b"/abort_request"]
    return asked


async def test_leaving_a_stream_aborts_the_request() -> None:
    async def leave(client: EngineClient) -> None:
        async with aclosing(client.stream([1], Sampling(), True)) as chunks:
            await anext(chunks)

    generate, abort = await aborts(leave)
    assert abort == {"rid": generate["rid"]}


async def test_cancelling_aborts_the_request() -> None:
    async def leave(client: EngineClient) -> None:
        async def read() -> None:
            async for _ in client.stream([1], Sampling(), True):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    generate, abort = await aborts(leave)
    assert abort == {"rid": generate["rid"]}


def test_the_request_says_what_was_asked() -> None:
    sampling = Sampling(0.7, 0.9, 20, 0.05, 64, seed=5, stop=("END",))
    body = generate_body((1, 2), sampling, False)
    assert body["input_ids"] == [1, 2] and body["stream"] is True
    assert body["sampling_params"] == {
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 20,
        "min_p": 0.05,
        "max_new_tokens": 64,
        "sampling_seed": 5,
        "stop": ["END"],
        "custom_params": {"speculation": False},
    }
    assert body["extra_key"] == "speculation=off", "for gateways that drop custom_params"
    with_it = generate_body((), Sampling(), True)
    assert "extra_key" not in with_it
    assert with_it["sampling_params"].keys().isdisjoint({"sampling_seed", "stop"})


def told(on: bool, lengths: list[int]) -> dict[str, Any]:
    histogram = [lengths.count(size) for size in range(1, max(lengths, default=0) + 1)]
    return {
        "on": on,
        "verify_steps": len(lengths),
        "accepted_drafts": sum(lengths) - len(lengths),
        "histogram": histogram,
        "step_lengths": lengths,
    }


def test_each_chunk_has_the_steps_so_far() -> None:
    first = read_chunk(event(1, speculation=told(True, [])), 0.5)
    assert (first.step_lengths, first.at) == ((), 0.5)
    merged = read_chunk(event(9, speculation=told(True, [3, 1, 4])), 2)
    assert merged.step_lengths == (3, 1, 4)
    assert merged.speculation and merged.histogram == (1, 0, 1, 1)


def test_without_speculation_there_are_no_steps() -> None:
    chunk = read_chunk(event(5, speculation=told(False, [])), 1)
    assert (chunk.speculation, chunk.histogram, chunk.step_lengths) == (False, (), ())


def test_without_the_plugin_only_the_last_event_has_counts() -> None:
    assert not read_chunk(event(4), 1).speculation
    stock = {
        "spec_verify_ct": 3,
        "spec_num_correct_drafts": 4,
        "spec_correct_drafts_histogram": [1, 0, 2],
    }
    last = read_chunk(event(8, finish_reason={"type": "length"}, **stock), 2)
    assert last.speculation and last.histogram == (1, 0, 2)
    assert last.step_lengths == ()
