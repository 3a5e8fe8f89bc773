"""What a gateway passes on of what we ask for."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import httpx

from chatapp.domain import Prompt, Role, Sampling
from chatapp.engine.client import EngineClient
from chatapp.errors import EngineError
from tests.gateway.fleet import Place

TEXT = "讲一个兔子的故事"
ROUTES = (
    ("GET", "/v1/models", None),
    ("GET", "/server_info", None),
    ("GET", "/get_server_info", None),
    ("GET", "/model_info", None),
    ("GET", "/v1/loads", None),
    ("GET", "/workers", None),
    ("GET", "/health", None),
    ("POST", "/tokenize", {"prompt": "1 2 3"}),
    ("POST", "/abort_request", {"rid": "none"}),
)


async def passes(front: Place, started: Sequence[Place], prompt: Prompt) -> list[str]:
    rows = ["| | |", "|---|---|"]
    async with front.client() as client:
        for method, path, body in ROUTES:
            answer = await client.request(method, path, json=body)
            rows.append(f"| {method} {path} | {answer.status_code} |")
    client = EngineClient(front.url, front.key)
    ids = prompt.encode([(Role.USER, TEXT)])
    for on in (True, False):
        body = {"sampling_params": {"custom_params": {"speculation": on}}}
        rows.append(f"| custom_params alone, speculation {on} | {await heard(front, ids, body)} |")
    rows.append(
        f"| extra_key alone | {await heard(front, ids, {'extra_key': 'speculation=off'})} |"
    )
    for on in (True, False):
        last = [c async for c in client.stream(ids, Sampling(max_tokens=40), on)]
        counted = sum(chunk.speculation is on for chunk in last)
        rows.append(f"| our client, speculation {on}: chunks that say so | {counted}/{len(last)} |")
    seeded = [await sampled(client, ids, seed) for seed in (7, 7, 8)]
    rows.append(
        f"| a seed repeats its text, another does not | {seeded[0] == seeded[1] != seeded[2]} |"
    )
    rows.append(
        f"| a stream that is closed: both engines idle after | {await left(front, started, ids)} |"
    )
    for on in ("on", "off"):
        rows.append(f"| `ask --engine-url GATEWAY --speculation {on}` | {await asked(front, on)} |")
    rows.append(f"| a wrong key | {await fault(EngineClient(front.url, 'wrong'), ids)} |")
    rows.append(f"| a prompt that is too long | {await fault(client, [5] * 40_000)} |")
    return rows


async def heard(front: Place, ids: Sequence[int], more: dict[str, Any]) -> str:
    """Whether the engine speculated, by its own account."""
    body = {"input_ids": list(ids), "sampling_params": {"max_new_tokens": 8, "temperature": 0}}
    body["sampling_params"] |= more.get("sampling_params", {})
    async with front.client() as client:
        answer = await client.post("/generate", json={**more, **body})
    told = answer.raise_for_status().json()["meta_info"]["speculation"]
    return f"on: {told['on']}, verify steps: {told['verify_steps']}"


async def sampled(client: EngineClient, ids: Sequence[int], seed: int) -> str:
    sampling = Sampling(temperature=3.0, max_tokens=24, seed=seed)
    return [chunk async for chunk in client.stream(ids, sampling, True)][-1].text


async def left(front: Place, started: Sequence[Place], ids: Sequence[int]) -> str:
    sampling = Sampling(temperature=1.0, max_tokens=1000)
    async with aclosing(EngineClient(front.url, front.key).stream(ids, sampling, True)) as chunks:
        async for chunk in chunks:
            if chunk.completion_tokens > 8:
                break
    began = time.monotonic()
    for place in started:
        async with place.client() as own:
            while await busy(own):
                if time.monotonic() - began > 20:
                    return "not within 20 s"
                await asyncio.sleep(0.02)
    return f"{time.monotonic() - began:.2f} s"


async def busy(engine: httpx.AsyncClient) -> bool:
    """Whether it has requests, running or waiting."""
    loads = (await engine.get("/v1/loads")).raise_for_status().json()["loads"]
    return any(load["num_running_reqs"] + load["num_waiting_reqs"] for load in loads)


async def asked(front: Place, speculation: str) -> str:
    """By the command, as somebody types it."""
    flags = ("--engine-url", front.url, "--speculation", speculation, "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatapp", "ask", *flags, "--max-tokens", "40", TEXT),
        env=os.environ | {"EAGLECHAT_ENGINE_KEY": front.key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode:
        return err.decode()
    told = json.loads(out)
    return f"{told['completion_tokens']} tokens in {told['verify_steps']} verify steps"


async def fault(client: EngineClient, ids: Sequence[int]) -> str:
    try:
        _ = [chunk async for chunk in client.stream(ids, Sampling(max_tokens=4), True)]
        return "answered"
    except EngineError as error:
        return f"{error.key} {error.values.get('reason', '')}"
