"""Off → on within a conversation, against the same one that was never switched off."""

from __future__ import annotations

import statistics
from collections.abc import AsyncGenerator, Sequence

import httpx

from chatapp.domain import Role, Sampling
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from tests.gpu.arithmetic import number
from tests.gpu.asking import Answer, accept_length, answer, same_texts
from tests.gpu.row import Row

NEVER_OFF = (True, True, True)
ON_AGAIN = (True, False, True)


async def conversation(
    engine: LocalEngine, prompt: ChatPrompt, texts: Sequence[str], count: int, tokens: int
) -> AsyncGenerator[Row]:
    """``count`` conversations of three turns; what counts is the third."""
    never, again = [], []
    for at in range(count):
        asked = [texts[(at + step) % len(texts)] for step in range(len(NEVER_OFF))]
        turns = await talk(engine, prompt, asked, NEVER_OFF, tokens)
        said = [turn.text for turn in turns]
        never.append(turns[-1])
        again.append((await talk(engine, prompt, asked, ON_AGAIN, tokens, said))[-1])
    lengths = number(accept_length(again)), number(accept_length(never))
    yield Row("off → on, accept length of the next turn", f"{lengths[0]} (never off {lengths[1]})")
    yield Row("off → on, its cached tokens", f"{_cached(again)} (never off {_cached(never)})")
    yield Row("off → on, texts against never off", str(same_texts(again, never)))


async def talk(
    engine: LocalEngine,
    prompt: ChatPrompt,
    asked: Sequence[str],
    on: Sequence[bool],
    tokens: int,
    said: Sequence[str] | None = None,
) -> list[Answer]:
    """One conversation on an empty cache. ``said`` are the replies that go into it in
    place of its own, so that two conversations ask the same."""
    await _forget(engine)
    messages: list[tuple[Role, str]] = []
    answers = []
    for turn, text in enumerate(asked):
        messages.append((Role.USER, text))
        ids = prompt.encode(messages)
        answers.append(await answer(engine, ids, Sampling(max_tokens=tokens), on[turn]))
        messages.append((Role.ASSISTANT, said[turn] if said else answers[-1].text))
    return answers


def _cached(answers: Sequence[Answer]) -> str:
    cached = statistics.median(answer.figures.cached_tokens for answer in answers)
    prompt = statistics.median(answer.figures.prompt_tokens for answer in answers)
    return f"{cached:.0f} of {prompt:.0f}"


async def _forget(engine: LocalEngine) -> None:
    """SGLang drops its cached prefixes once nothing runs."""
    headers = {"Authorization": f"Bearer {engine.api_key}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers, timeout=60) as client:
        address = f"{engine.status().address}/flush_cache"
        (await client.post(address, params={"timeout": 30})).raise_for_status()
