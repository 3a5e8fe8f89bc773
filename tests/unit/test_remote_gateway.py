"""A gateway before several engines: who is asked what it keeps to itself."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chatapp.engine.remote import gateway
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.gateway import engines_behind
from tests.fakes.elsewhere import serve

HERE = "http://127.0.0.1:30000"


async def behind(url: str, answers: dict[str, Any]) -> list[Address]:
    def answer(request: httpx.Request) -> httpx.Response:
        told = answers.get(request.url.path)
        return httpx.Response(404) if told is None else httpx.Response(200, json=told)

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(transport=transport, base_url=url) as client:
        return await engines_behind(client, Address(url, "secret"))


def workers(*urls: str, healthy: bool = True) -> dict[str, Any]:
    return {"/workers": {"workers": [{"url": url, "is_healthy": healthy} for url in urls]}}


async def test_those_of_its_engines_are_asked_that_can_be_reached() -> None:
    async with serve() as engine:
        engine.script.key = "secret"
        found = await behind(HERE, workers("http://127.0.0.1:9", engine.url))
        assert found == [Address(engine.url, "secret")]
        assert await behind(HERE, workers(engine.url, healthy=False)) == []
        engine.script.key = "another"
        assert await behind(HERE, workers(engine.url)) == []


@pytest.mark.parametrize("told", [{}, {"/workers": []}, {"/workers": {"workers": [{}]}}])
async def test_what_names_no_engines_has_none(told: dict[str, Any]) -> None:
    assert await behind(HERE, told) == []


async def test_an_engine_is_asked_itself() -> None:
    assert await behind(HERE, workers("http://127.0.0.1:9") | {"/server_info": {}}) == []


async def test_the_key_goes_nowhere_less_safely_than_to_the_gateway(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def answers(place: Address) -> bool:
        asked.append(place.url)
        return True

    monkeypatch.setattr(gateway, "answers", answers)
    urls = ("http://gpu-1:30000", "https://gpu-2:30000")
    await behind("https://gateway", workers(*urls))
    assert asked == ["https://gpu-2:30000"]
    await behind("http://gateway", workers(*urls))
    assert asked[1:] == list(urls)
