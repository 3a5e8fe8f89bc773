"""What is shown of a reply is recomputed here from the raw events of its stream.

The recomputation knows the engine's events and the clock, and none of our code.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chatapp.application.live_replies import LiveReplies
from chatapp.chat.store import Store
from chatapp.chat.traces import Traces, averages_of
from chatapp.domain import EngineStatus, Message, MessageState, Sampling
from chatapp.engine.client import EngineClient
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.measure.reply.acceptance import positions
from chatapp.measure.reply.metrics import held_back, metrics_of
from chatapp.texts import Texts
from chatapp.ui.panes import figures as figures_pane
from chatapp.ui.panes import stepview, transcript
from tests.replies import states

EN = Texts("en")


class Recording(EngineClient):
    """Our client, with every event and its time written down as it comes off the wire."""

    def __init__(self, base_url: str, api_key: str) -> None:
        super().__init__(base_url, api_key)
        self.events: list[tuple[float, dict[str, Any]]] = []
        self.sent = 0.0

    async def _events(self, *asked: Any) -> AsyncIterator[dict[str, Any]]:
        self.sent = time.monotonic()
        async for event in super()._events(*asked):
            self.events.append((time.monotonic() - self.sent, event))
            yield event


@dataclass
class OneReply:
    """An engine for one conversation, whose stream is recorded."""

    engine: LocalEngine
    client: Recording = field(init=False)

    def __post_init__(self) -> None:
        self.client = Recording(self.engine.status().address, self.engine.api_key)

    def status(self) -> EngineStatus:
        return self.engine.status()

    def prompt(self) -> ChatPrompt:
        return self.engine.prompt()


@dataclass
class Recomputed:
    """The figures of a reply from its events alone."""

    steps: list[int]
    tokens: int
    first_at: float
    last_at: float
    first_tokens: int
    decode_s: float | None

    @classmethod
    def of(cls, events: list[tuple[float, dict[str, Any]]], speculation: bool) -> Recomputed:
        counts = [event["meta_info"]["completion_tokens"] for _, event in events]
        # Tokens gained by each verify step, from how the counts rise: as long as no chunk
        # holds two steps that is all there is to know, else the plug-in's list is taken.
        rises = [after - before for before, after in zip(counts, counts[1:], strict=False)]
        meta = events[-1][1]["meta_info"]
        told = meta["speculation"]["step_lengths"]
        if speculation and len(rises) == len(told) and counts[0] == 1:
            assert rises == told
        steps, (first_at, last_at) = told if speculation else [], (events[0][0], events[-1][0])
        both = [meta.get("e2e_latency"), meta.get("first_token_latency")]
        decode_s = both[0] - both[1] if None not in both else None
        return cls(steps, counts[-1], first_at, last_at, counts[0], decode_s)

    @property
    def speed(self) -> float:
        return (self.tokens - self.first_tokens) / (self.last_at - self.first_at)

    @property
    def came_at_once(self) -> bool:
        """As on a machine that is too busy to read along: then no time is a figure."""
        return held_back(self.last_at - self.first_at, self.decode_s)


async def reply(
    store: Store,
    rig: OneReply,
    text: str,
    sampling: Sampling,
    speculation: bool = True,
    stop_after: int | None = None,
) -> Message:
    conversation = store.create_conversation("", speculation)
    live = await LiveReplies(store, rig).send(conversation.id, text, sampling)
    async for state in states(live):
        figures = state.reply.figures
        if stop_after and figures and figures.completion_tokens >= stop_after:
            await live.stop()
    return store.messages(conversation.id)[-1]


def check(store: Store, rig: OneReply, prompt: ChatPrompt, message: Message, on: bool) -> None:
    """Every figure kept and shown against the recomputation."""
    told, figures = Recomputed.of(rig.client.events, on), message.figures
    assert figures is not None and figures.speculation is on
    assert figures.completion_tokens == told.tokens == 1 + sum(told.steps) or not on
    assert figures.step_lengths == tuple(told.steps)
    assert figures.verify_steps == len(told.steps)
    assert figures.accepted_drafts == sum(told.steps) - len(told.steps)
    seen = Counter(told.steps)
    for drafts, steps in enumerate(figures.accept_histogram):
        assert steps == seen[drafts + 1]
    if on:
        assert figures.accept_length == pytest.approx(sum(told.steps) / len(told.steps))
        for position in positions(figures.accept_histogram):
            reached = sum(length > position.number for length in told.steps)
            assert position.share == reached / len(told.steps)
    else:
        assert figures.accept_length is None and figures.accept_histogram == ()
    # Our clock is read a moment after the recorder's: a thousandth of a second is much.
    if told.came_at_once:
        assert (figures.ttft_s, figures.tokens_per_second) == (None, None)
    else:
        assert figures.ttft_s == pytest.approx(told.first_at, abs=0.05)
        assert figures.tokens_per_second == pytest.approx(told.speed, rel=0.05)
    check_kept(store, prompt, message, told)
    check_shown(message, told, on)


def check_kept(store: Store, prompt: ChatPrompt, message: Message, told: Recomputed) -> None:
    trace = Traces(store).of(message.id)
    assert trace is not None and metrics_of(trace) == message.figures
    assert averages_of([message]).all.verify_steps == len(told.steps)
    if trace.speculation:
        html = stepview.step_view(EN, trace, message.text, prompt)
        tips = re.findall(r'data-tip="Steps? (\d+)(?: to (\d+))?[^:]*: (\d+) tokens', html)
        covered = [n for first, last, _ in tips for n in range(int(first), int(last or first) + 1)]
        gained = sum(int(tokens) for *_, tokens in tips)
        assert covered in (list(range(1, len(told.steps) + 1)), list(range(len(told.steps) + 1)))
        assert gained in (sum(told.steps), sum(told.steps) + 1)


def check_shown(message: Message, told: Recomputed, on: bool) -> None:
    """The words of the line of evidence and of the panel."""
    line = transcript.reply(EN, message)
    panel = figures_pane.panel(EN, message, on, [message], None)
    speed = message.figures.tokens_per_second
    if speed is None:
        assert "tok/s" not in line
    else:
        shown = f"{speed:.1f}" if speed < 9.95 else f"{speed:.0f}"
        assert f"<b>{shown}</b> tok/s" in line and f">{shown}</dd>" in panel
    if on:
        length = f"{sum(told.steps) / len(told.steps):.2f}"
        assert f"<b>{length}</b>" in line and f">{length}</dd>" in panel
        bars = [int(n) for n in re.findall(r"--n:(\d+)", panel)]
        assert bars == told.steps[-40:]
    else:
        assert "is-off" in line and "1.00" not in line and "--n:" not in panel


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "chats.sqlite3")


@pytest.mark.parametrize("speculation", [True, False])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("text", ["讲一个故事", "Tell me a story"])
async def test_greedy_and_sampled_zh_and_en_on_and_off(
    engine: LocalEngine, prompt: ChatPrompt, store: Store, text: str, temperature: float,
    speculation: bool,
) -> None:  # fmt: skip
    rig = OneReply(engine)
    sampling = Sampling(temperature=temperature, max_tokens=80, seed=3)
    message = await reply(store, rig, text, sampling, speculation)
    assert message.state is MessageState.FINISHED
    check(store, rig, prompt, message, speculation)


async def test_four_streams_at_once(engine: LocalEngine, prompt: ChatPrompt, store: Store) -> None:
    rigs = [OneReply(engine) for _ in range(4)]
    texts = ["讲一个故事", "Tell me a story", "什么是推测解码？", "What is accept length?"]
    sides = [True, True, True, False]
    sampling = Sampling(max_tokens=60)
    messages = await asyncio.gather(
        *(
            reply(store, rig, text, sampling, side)
            for rig, text, side in zip(rigs, texts, sides, strict=True)
        )
    )
    for rig, message, side in zip(rigs, messages, sides, strict=True):
        check(store, rig, prompt, message, side)


async def test_stopped_in_the_middle(engine: LocalEngine, prompt: ChatPrompt, store: Store) -> None:
    rig = OneReply(engine)
    sampling = Sampling(max_tokens=300)
    message = await reply(store, rig, "讲一个故事", sampling, stop_after=20)
    assert message.state is MessageState.STOPPED and message.text
    assert message.figures.completion_tokens < 300
    # The last event may have come off the wire while the reply was being stopped.
    while rig.client.events[-1][1]["meta_info"]["completion_tokens"] > (
        message.figures.completion_tokens
    ):
        rig.client.events.pop()
    check(store, rig, prompt, message, True)
