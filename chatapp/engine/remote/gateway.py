"""A gateway in front of several engines: SGLang's own (smg, sglang-router) for one.

It hands replies on, each from one of its engines, and most questions to nobody: no
``/server_info``, ``/tokenize`` or ``/abort_request``. ``/workers`` names its engines, and they
are asked themselves where they can be reached from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx

from chatapp.domain import Role
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.remote_client import connection


async def engines_behind(client: httpx.AsyncClient, gateway: Address) -> list[Address]:
    """Those of its engines that answer here, to the same key. None where ``gateway`` is no
    gateway but an engine, or where only the gateway can reach them."""
    if (await client.get("/server_info")).is_success:
        return []  # an engine
    answer = await client.get("/workers")
    try:
        told = answer.json()["workers"] if answer.is_success else []
        places = [Address(str(each["url"]), gateway.key) for each in told if each["is_healthy"]]
    except (ValueError, KeyError, TypeError):
        return []
    if gateway.url.startswith("https:"):  # the key goes nowhere less safely than to the gateway
        places = [place for place in places if place.secure]
    reached = await asyncio.gather(*map(answers, places))
    return [place for place, answers in zip(places, reached, strict=True) if answers]


async def answers(place: Address) -> bool:
    try:
        async with httpx.AsyncClient(**connection(place)) as client:
            return (await client.get("/v1/models")).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


def prompt_tokens(client: httpx.Client, model: str, messages: Sequence[tuple[Role, str]]) -> int:
    """How long the target's prompt for ``messages`` is, by what a reply of one token counts: the
    one thing that every gateway lets an engine say of its template and tokenizer. Raises
    httpx.HTTPError, or ValueError, KeyError, TypeError for an answer that is none."""
    body = {
        "model": model,
        "messages": [{"role": str(role), "content": text} for role, text in messages],
        "max_tokens": 1,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    answer = client.post("/v1/chat/completions", json=body).raise_for_status()
    return int(answer.json()["usage"]["prompt_tokens"])
