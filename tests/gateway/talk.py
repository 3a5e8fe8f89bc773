"""Thirty-two conversations of two turns, half of them with speculation off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.chat.language import detect
from chatapp.domain import Chunk, Prompt, Role, Sampling
from chatapp.engine.client import EngineClient
from chatapp.measure.bench.questions import own_sets, read_questions

SAMPLING = Sampling(max_tokens=96)


@dataclass(frozen=True)
class Conversation:
    """``number`` counts from 0; half of those in each language have speculation off."""

    number: int
    turns: tuple[str, ...]

    @property
    def speculation(self) -> bool:
        return self.number // 2 % 2 == 0


def conversations(count: int) -> list[Conversation]:
    """Different questions, Chinese and English."""
    sets = [read_questions(path, detect).questions for path in own_sets("pocket")]
    turns = [question.turns for pair in zip(*sets, strict=True) for question in pair]
    return [Conversation(number, turns[number]) for number in range(count)]


@dataclass(frozen=True)
class Said:
    """A reply as it came: its last chunk, and the tokens of the prompt before it that an
    engine could have kept."""

    last: Chunk
    known: int


async def hold(
    talk: Conversation, client: EngineClient, prompt: Prompt, key: str, at_once: asyncio.Semaphore
) -> list[Said]:
    """All turns of one conversation, one after the other."""
    messages: list[tuple[Role, str]] = []
    said: list[Said] = []
    known = 0
    for text in talk.turns:
        messages.append((Role.USER, text))
        ids = prompt.encode(messages)
        async with at_once:
            stream = client.stream(ids, SAMPLING, talk.speculation, key)
            last = [chunk async for chunk in stream][-1]
        said.append(Said(last, known))
        messages.append((Role.ASSISTANT, last.text))
        known = len(ids) + last.completion_tokens - 1
    return said


async def hold_all(
    talks: Sequence[Conversation],
    client: EngineClient,
    prompt: Prompt,
    keys: bool = False,
    at_once: int = 64,
) -> list[list[Said]]:
    room = asyncio.Semaphore(at_once)
    named = [f"talk-{talk.number}" if keys else "" for talk in talks]
    return await asyncio.gather(
        *(hold(talk, client, prompt, key, room) for talk, key in zip(talks, named, strict=True))
    )
