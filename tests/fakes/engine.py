"""A scripted engine, for orders of events and speeds that a healthy one never shows.

Its stream holds to what a real one promises: counts add up with the tokens, and with
speculation off there are none. Clock and pace are the test's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from chatapp.domain import Chunk, EngineState, EngineStatus, Pair, Role, Sampling, Tree
from chatapp.engine.process.orphans import Orphan
from chatapp.errors import EngineError
from chatapp.measure.reply.metrics import histogram

LETTERS = tuple("abcdefghijklmnopqrstuvwxyz" * 12)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    ids: tuple[int, ...]
    sampling: Sampling
    speculation: bool
    conversation: str = ""


async def at_once() -> None:
    """The pace of an engine that makes nobody wait, and lets others have their turn."""
    await asyncio.sleep(0)


@dataclass
class ScriptedEngine:
    """Says ``tokens``, or with speculation ``tokens_on`` where they shall differ, as many as
    the sampling allows: one a step, ``gain`` with speculation. By the clock of the stream the
    first comes at ``first_s``, a step takes ``step_s``, ``overhead`` times that with
    speculation; ``pace`` is what the test really waits before each chunk but the first. All
    said, it ``ends`` for that reason; or after ``fails_at`` tokens it ``fails``.

    It tells ``memory`` in GiB and that ``used`` of 400 tokens of its KV cache are, unless it
    is ``silent``. It is its own client and prompt: a letter of a prompt is a token.
    """

    tokens: Sequence[str] = LETTERS
    tokens_on: Sequence[str] = ()
    gain: int = 3
    first_s: float = 0.5
    step_s: float = 0.1
    overhead: float = 1.0
    pace: Callable[[], Awaitable[object]] = at_once
    ends: str = "stop"
    fails: EngineError = field(default_factory=lambda: EngineError("engine_broke_off"))
    fails_at: int | None = None
    state: EngineState = EngineState.READY
    switch: bool = True
    device: str = "cpu"
    address: str = "http://127.0.0.1:31000"
    log_tail: tuple[str, ...] = ()
    context_length: int = 400
    memory: dict[str, float] = field(default_factory=lambda: {"weight": 0.05})
    used: int = 100
    silent: bool = False
    asked: list[Asked] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    open_now: int = 0
    open_most: int = 0
    orphans: tuple[Orphan, ...] = ()

    @property
    def client(self) -> ScriptedEngine:
        return self

    def prompt(self) -> ScriptedEngine:
        return self

    def status(self) -> EngineStatus:
        return EngineStatus(
            self.state,
            "pocket",
            tree=Tree(3, 1, 4),
            address=self.address,
            switch=self.switch,
            device=self.device,
            log_tail=self.log_tail,
        )

    async def restart(self) -> None:
        self.state = EngineState.READY

    async def end_orphan(self, app: int) -> None:
        self.orphans = tuple(orphan for orphan in self.orphans if orphan.app.pid != app)

    async def server_info(self) -> dict[str, Any]:
        self.told.append("account")
        return {"internal_states": [{"memory_usage": self.memory}]}

    async def loads(self) -> dict[str, Any]:
        self.told.append("loads")
        if self.silent:
            raise EngineError("engine_silent")
        return {"loads": [{"num_used_tokens": self.used, "max_total_num_tokens": 400}]}

    def encode(self, messages: Sequence[tuple[Role, str]]) -> list[int]:
        return [ord(letter) for _, text in messages for letter in text]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        return "".join(map(chr, ids))

    async def stream(
        self, ids: Sequence[int], sampling: Sampling, speculation: bool, conversation: str = ""
    ) -> AsyncIterator[Chunk]:
        self.asked.append(Asked(tuple(ids), sampling, speculation, conversation))
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            for chunk in self._chunks(len(ids), sampling.max_tokens, speculation):
                if chunk.completion_tokens > 1:
                    await self.pace()
                yield chunk
                if chunk.completion_tokens == self.fails_at:
                    await self.pace()
                    raise self.fails
        finally:
            self.open_now -= 1

    def _chunks(self, prompt_tokens: int, most: int, on: bool) -> Iterator[Chunk]:
        whole = ((on and self.tokens_on) or self.tokens)[:most]
        step_s = self.step_s * (self.overhead if on else 1)
        done, steps, lengths = 1, 0, []
        while True:
            counts = (on, histogram(lengths), tuple(lengths))
            text, reason = "".join(whole[:done]), None
            if done == len(whole) and done != self.fails_at:
                reason = "length" if done == most else self.ends
            ids = tuple(ord(token[-1]) for token in whole[:done])
            at = self.first_s + steps * step_s
            yield Chunk(text, ids, prompt_tokens, 0, done, *counts, at, reason)
            if done == len(whole):
                return
            gained = min(self.gain if on else 1, len(whole) - done)
            done, steps = done + gained, steps + 1
            lengths += [gained] if on else []


def clockwork(swap: str = "") -> ScriptedEngine:
    """With speculation in steps of three at 0.15 s, and one letter swapped for another; else
    one letter each 0.1 s."""
    swapped = ["?" if letter == swap else letter for letter in LETTERS]
    return ScriptedEngine(tokens_on=swapped, overhead=1.5)


@dataclass
class Starts:
    """In place of the processes under the engine's manager: ``engines`` that were made and all
    that was ``done`` with them, in order. A start ``fails``, or takes until it may ``go`` and
    ``leaves`` the engine in that state, which is ``begins`` before it."""

    begins: EngineState = EngineState.STOPPED
    leaves: EngineState = EngineState.READY
    fails: EngineError | None = None
    failure: str = "engine_killed"
    engines: list[StartedEngine] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    def __call__(self, pair: Pair, *_: object, **__: object) -> StartedEngine:
        """As the class of local engines is called."""
        self.engines.append(StartedEngine(self, pair))
        return self.engines[-1]


class StartedEngine:
    """One engine of them; a test moves its ``state`` on. ``looked``: how often it was asked."""

    def __init__(self, starts: Starts, pair: Pair) -> None:
        self.starts, self.pair, self.state = starts, pair, starts.begins
        self.looked = 0

    async def start(self) -> None:
        if self.starts.fails:
            raise self.starts.fails
        self.starts.done.append(f"start {self.pair.tree}")
        await self.starts.go.wait()
        self.state = self.starts.leaves

    async def stop(self) -> None:
        self.starts.done.append("stop")
        self.state = EngineState.STOPPED

    def prompt(self) -> None:
        """Nobody writes to it."""

    def status(self) -> EngineStatus:
        self.looked += 1
        failure = self.starts.failure if self.state is EngineState.FAILED else None
        return EngineStatus(self.state, "pocket", failure=failure)
