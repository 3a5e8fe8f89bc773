"""The client on the real engine: what streams, what stops, what is refused."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from pathlib import Path

import httpx
import psutil
import pytest

from chatapp.application.live_replies import LiveReplies
from chatapp.chat.store import Store
from chatapp.domain import Chunk, MessageState, Pair, Role, Sampling
from chatapp.engine.client import EngineClient
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import EngineError
from chatapp.measure.machine.ledger import EngineMemory
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace
from chatapp.pairs.planned import planned
from tests.replies import last, states


def ask(prompt: ChatPrompt, text: str) -> list[int]:
    return prompt.encode([(Role.USER, text)])


async def reply(engine: LocalEngine, ids: list[int], sampling: Sampling, on: bool) -> list[Chunk]:
    return [chunk async for chunk in engine.client.stream(ids, sampling, on)]


async def running(engine: LocalEngine) -> int:
    """Requests that the engine is working on, by its own account."""
    headers = {"Authorization": f"Bearer {engine.api_key}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        address = engine.status().address
        metrics = (await client.get(f"{address}/metrics", headers=headers)).text
    lines = [line for line in metrics.splitlines() if line.startswith("sglang:num_running_reqs")]
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in lines))


@pytest.mark.parametrize("text", ["What is speculative decoding?", "你好，你是谁？"])
async def test_chunks_agree_with_each_other(
    engine: LocalEngine, prompt: ChatPrompt, text: str
) -> None:
    ids = ask(prompt, text)
    on = await reply(engine, ids, Sampling(max_tokens=80), True)
    off = await reply(engine, ids, Sampling(max_tokens=80), False)
    assert on[-1].text == off[-1].text
    assert on[-1].token_ids == off[-1].token_ids
    for chunks, speculation in ((on, True), (off, False)):
        assert {chunk.speculation for chunk in chunks} == {speculation}
        assert all(chunk.prompt_tokens == len(ids) for chunk in chunks)
        assert all(len(chunk.token_ids) == chunk.completion_tokens for chunk in chunks)
        assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].finish_reason in ("stop", "length")
    assert sum(on[-1].step_lengths) == on[-1].completion_tokens - 1
    assert sum(on[-1].histogram) == len(on[-1].step_lengths)
    assert all(chunk.step_lengths == () for chunk in off)


async def test_the_figures_of_a_reply(engine: LocalEngine, prompt: ChatPrompt) -> None:
    trace = Trace(True)
    began = time.monotonic()
    async for chunk in engine.client.stream(ask(prompt, "hello"), Sampling(max_tokens=60), True):
        trace.add(chunk)
    took = time.monotonic() - began
    figures = metrics_of(trace)
    assert 0 < (figures.ttft_s or 0) <= figures.duration_s <= took
    assert figures.accept_length == sum(figures.step_lengths) / figures.verify_steps
    assert len(figures.step_lengths) == figures.verify_steps


async def test_leaving_a_stream_frees_the_engine(engine: LocalEngine, prompt: ChatPrompt) -> None:
    ids = ask(prompt, "Tell me a long story, please.")
    async with aclosing(
        engine.client.stream(ids, Sampling(temperature=1.0, max_tokens=600), True)
    ) as chunks:
        async for chunk in chunks:
            if chunk.completion_tokens > 5:
                break
    deadline = time.monotonic() + 5
    while await running(engine):
        assert time.monotonic() < deadline, "the engine writes on for nobody"
        await asyncio.sleep(0.1)


async def test_many_streams_at_once(engine: LocalEngine, prompt: ChatPrompt) -> None:
    ids = [ask(prompt, text) for text in ("hello", "你好", "1 + 1 = ?", "再见")]
    alone = [(await reply(engine, each, Sampling(max_tokens=40), True))[-1].text for each in ids]
    together = await asyncio.gather(
        *(reply(engine, each, Sampling(max_tokens=40), True) for each in ids)
    )
    assert [chunks[-1].text for chunks in together] == alone


async def test_too_long_a_prompt_is_refused_in_words(engine: LocalEngine) -> None:
    with pytest.raises(EngineError) as refused:
        await reply(engine, [5] * 40_000, Sampling(), True)
    assert refused.value.key == "engine_refused"
    assert "longer than the model's context" in refused.value.values["reason"]


async def test_a_wrong_key_is_refused(engine: LocalEngine) -> None:
    client = EngineClient(engine.status().address, "wrong")
    with pytest.raises(EngineError) as refused:
        _ = [chunk async for chunk in client.stream([1], Sampling(), True)]
    assert refused.value.key == "engine_key"


def test_its_key_is_seen_in_no_command_line_and_no_log(engine: LocalEngine) -> None:
    running = [psutil.Process(), *psutil.Process().children(recursive=True)]
    assert len(running) > 3
    assert not [one for one in running if engine.api_key in " ".join(one.cmdline())]
    log = Path(f"/proc/{engine.pids()['main']}/fd/1").read_text("utf-8")
    assert "server_args" in log and engine.api_key not in log


async def test_the_engine_says_what_it_is(engine: LocalEngine) -> None:
    info = await engine.client.server_info()
    assert info["speculative_num_draft_tokens"] == 16
    status = engine.status()
    assert (status.switch, status.switch_reason) == (True, None)


async def test_the_engine_tells_what_its_draft_holds(
    engine: LocalEngine, pocket_pair: Pair
) -> None:
    """SGLang tells of the target alone; the plug-in counts what only the draft has, so
    neither the embedding nor, in this pair, the RoPE table."""
    told, draft = EngineMemory.told(await engine.client.server_info()), planned(pocket_pair).draft
    assert told and told.kv_tokens and told.second_bytes is None, "no card, nothing on it"
    assert told.draft_bytes == draft.parameters * 4
    kept = (told.kv_tokens + 1) * draft.kv_bytes_per_token("float32")
    assert told.kv_draft_bytes == pytest.approx(kept, rel=0.001)


async def test_stop_takes_less_than_200_ms_and_keeps_the_text(
    engine: LocalEngine, prompt: ChatPrompt, data_dir: Path
) -> None:
    store = Store(data_dir / "chats.sqlite3")
    took = None
    most = Sampling(max_tokens=600)
    live = await LiveReplies(store, engine).send(None, "Tell me a short story.", most)
    async for update in states(live):
        figures = update.reply.figures
        if figures and figures.completion_tokens > 3 and took is None:
            began = time.monotonic()
            await live.stop()
            took = time.monotonic() - began
    if update.reply.state is MessageState.FINISHED:
        pytest.fail(f"the reply was over before it could be stopped: {update.reply.text!r}")
    assert update.reply.state is MessageState.STOPPED
    assert took is not None and took < 0.2
    kept = store.messages(live.turn.conversation_id)[1]
    assert kept == update.reply and kept.figures is not None


async def test_a_conversation_is_answered_and_goes_on(
    engine: LocalEngine, prompt: ChatPrompt, data_dir: Path
) -> None:
    store = Store(data_dir / "chats.sqlite3")
    replies = LiveReplies(store, engine)
    chat = store.create_conversation("")
    for text in ("你好", "再说一遍"):
        update = await last(await replies.send(chat.id, text, Sampling(max_tokens=40)))
        assert update.reply.state is MessageState.FINISHED
    assert update.reply.figures and update.reply.figures.speculation
    store.set_speculation(chat.id, False)
    update = await last(replies.retry(chat.id, Sampling(max_tokens=40)))
    assert update.reply.figures and not update.reply.figures.speculation
    assert update.reply.figures.accept_length is None
