"""SGLang's own gateway, smg, in front of the session's engine, as ``--engine-url``.

Two engines, one of them killed, and what each policy does for a conversation's prefix are
measured by ``python -m tests.gateway.record``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from chatapp.domain import Chunk, Prompt, Role, Sampling
from chatapp.engine.client import EngineClient
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.capabilities import ask
from chatapp.engine.remote.files import prompt_of
from chatapp.engine.remote.remote_client import connection
from chatapp.engine.remote.remote_engine import RemoteEngine
from tests.gateway.fleet import SMG, gateway
from tests.gateway.passes import TEXT, busy


@pytest.fixture
async def front(engine: LocalEngine, tmp_path: Path) -> AsyncIterator[Address]:
    behind = [(engine.status().address, engine.api_key)]
    async with gateway(SMG, ("--policy", "manual"), behind, tmp_path / "gateway.log") as place:
        yield Address(place.url, place.key)


async def reply(client: EngineClient, prompt: Prompt, on: bool) -> list[Chunk]:
    ids = prompt.encode([(Role.USER, TEXT)])
    return [chunk async for chunk in client.stream(ids, Sampling(max_tokens=40), on, "talk")]


async def test_behind_it_an_engine_is_what_it_is(
    front: Address, engine: LocalEngine, prompt: Prompt, data_dir: Path
) -> None:
    remote, known = RemoteEngine(front, data_dir), engine.status()
    await remote.start()
    try:
        await remote.ready(60)
        status = remote.status()
        assert (status.pair_name, status.tree) == (known.pair_name, known.tree)
        assert status.switch and status.elsewhere and status.elsewhere.counts
        messages = [(Role.USER, TEXT)]
        assert remote.prompt().encode(messages) == prompt.encode(messages)
        for on in (True, False):
            through = await reply(remote.client, prompt, on)
            straight = await reply(engine.client, prompt, on)
            assert {chunk.speculation for chunk in through} == {on}
            assert through[-1].text == straight[-1].text != ""
            assert through[-1].step_lengths == straight[-1].step_lengths
    finally:
        await remote.stop()


async def test_where_the_engines_cannot_be_reached_the_files_here_are_held_against_a_count(
    front: Address, engine: LocalEngine, prompt: Prompt, data_dir: Path
) -> None:
    async with httpx.AsyncClient(**connection(front)) as client:
        found = await ask(client)
    assert (found.tree, found.switch.available) == (engine.status().tree, True)
    here = await asyncio.to_thread(prompt_of, [front], found, data_dir)
    messages = [(Role.USER, TEXT)]
    assert here.encode(messages) == prompt.encode(messages)


async def test_a_stream_that_is_left_frees_the_engine_behind(
    front: Address, engine: LocalEngine, prompt: Prompt
) -> None:
    """A gateway has no way to abort: the closed connection does it."""
    client = EngineClient(front.url, front.key)
    long = Sampling(temperature=1.0, max_tokens=600)
    async with aclosing(client.stream(prompt.encode([(Role.USER, TEXT)]), long, True)) as chunks:
        await anext(chunks)
    deadline = time.monotonic() + 5
    async with httpx.AsyncClient(**connection(Address(engine.status().address, front.key))) as own:
        while await busy(own):
            assert time.monotonic() < deadline, "the engine writes on for nobody"
            await asyncio.sleep(0.05)
