"""Replies from scripted streams: orders of events that a healthy engine never shows.

The same replies are written by the real engine in tests/engine.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from chatapp.application.live_replies import LiveReplies
from chatapp.application.live_reply import LiveReply
from chatapp.chat.evidence_reader import EvidenceReader
from chatapp.chat.history import FittedPrompt
from chatapp.chat.store import Store
from chatapp.chat.traces import Traces, averages_of
from chatapp.chat.turns import loose
from chatapp.domain import (
    AutoChoice,
    Conversation,
    EngineState,
    Message,
    MessageState,
    Sampling,
    SpeculationMode,
)
from chatapp.errors import EngineError, InputError, StoreError
from chatapp.measure.reply.metrics import metrics_of
from tests.fakes.engine import Asked, ScriptedEngine
from tests.replies import last, states


def script(*words: str, gap: float = 0.0, **more: Any) -> ScriptedEngine:
    """Says the words one by one; without any it says three."""
    first, *others = words or ("one", "two", "three")
    tokens = (first, *(f" {word}" for word in others))
    how = {"gain": 1, "context_length": 100, "pace": lambda: asyncio.sleep(gap)}
    return ScriptedEngine(tokens, **(how | more))


def on_and_on(gap: float = 0.01) -> ScriptedEngine:
    return script(*["word"] * 1000, gap=gap, context_length=2000)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "chats.sqlite3")


@pytest.fixture
def chat(store: Store) -> int:
    return store.create_conversation("").id


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it did not come to be in time"
        await asyncio.sleep(0.01)


async def test_a_reply_is_streamed_and_kept(store: Store, chat: int) -> None:
    engine = script()
    update = await last(await LiveReplies(store, engine).send(chat, "hello"))
    assert update.reply.text == "one two three"
    assert update.reply.state is MessageState.FINISHED
    assert update.reply.finish_reason == "stop"
    assert update.reply.figures and update.reply.figures.completion_tokens == 3
    user, reply = store.messages(chat)
    assert (user.text, reply) == ("hello", update.reply)
    assert store.conversation(chat).title == "hello"


async def test_the_message_is_on_disk_before_the_engine_sees_it(store: Store, chat: int) -> None:
    engine = script(state=EngineState.STARTING)
    live = await LiveReplies(store, engine).send(chat, "hello")
    assert live.state.reply.state is MessageState.WAITING
    assert engine.asked == []
    assert [m.text for m in Store(store.path).messages(chat)] == ["hello", ""]
    await live.leave()


async def test_a_waiting_message_goes_on_when_the_engine_is_ready(store: Store, chat: int) -> None:
    engine = script(state=EngineState.STARTING)
    live = await LiveReplies(store, engine).send(chat, "hello")
    engine.state = EngineState.FAILED
    await asyncio.sleep(0.15)  # it has looked at it meanwhile
    assert live.state.reply.state is MessageState.WAITING
    engine.state = EngineState.READY  # it failed and was started again
    assert (await last(live)).reply.state is MessageState.FINISHED


async def test_stopping_keeps_what_was_written(store: Store, chat: int) -> None:
    engine = on_and_on()
    replies = LiveReplies(store, engine)
    took = []
    async for update in states(await replies.send(chat, "hello")):
        if len(update.reply.text) > 40 and not took:
            began = monotonic()
            await replies.stop(chat)
            took.append(monotonic() - began)
    assert took[0] < 0.2
    assert update.reply.state is MessageState.STOPPED
    assert len(update.reply.text) > 40
    assert store.messages(chat)[1] == update.reply
    assert len(engine.asked) == 1 and engine.open_now == 0


async def test_stopping_works_when_nobody_reads(store: Store, chat: int) -> None:
    """A page that draws slowly must not slow the stop down."""
    engine = on_and_on()
    replies = LiveReplies(store, engine)
    live = await replies.send(chat, "hello")
    await until(lambda: "word word" in live.state.reply.text)
    await replies.stop(chat)
    assert len(engine.asked) == 1 and engine.open_now == 0
    assert store.messages(chat)[1].text.startswith("word word")


async def test_a_waiting_message_can_be_stopped(store: Store, chat: int) -> None:
    engine = script(state=EngineState.STARTING)
    replies = LiveReplies(store, engine)
    live = await replies.send(chat, "hello")
    await replies.stop(chat)
    assert live.state.reply.state is MessageState.STOPPED
    assert store.messages(chat)[0].text == "hello"


@pytest.mark.parametrize("leave", ["the tab", "the app"])
async def test_a_waiting_message_outlives_tab_and_app(store: Store, chat: int, leave: str) -> None:
    replies = LiveReplies(store, script(state=EngineState.STARTING))
    live = await replies.send(chat, "hello")
    await (replies.stop_all() if leave == "the app" else live.leave())
    assert not (await last(live)).ended and replies.get(chat) is None
    assert store.messages(chat)[1].state is MessageState.WAITING
    again = LiveReplies(store, script()).resume(chat)
    assert again and (await last(again)).reply.state is MessageState.FINISHED


async def test_a_reply_that_is_left_stops_the_engine(store: Store, chat: int) -> None:
    engine = on_and_on()
    live = await LiveReplies(store, engine).send(chat, "hello")
    await until(lambda: live.state.reply.text)
    await live.leave()
    assert len(engine.asked) == 1 and engine.open_now == 0
    assert store.messages(chat)[1].state is MessageState.STOPPED


async def test_an_engine_that_dies_leaves_its_words_and_the_cause(store: Store, chat: int) -> None:
    engine = script(fails_at=3, fails=EngineError("engine_refused", reason="why not"))
    update = await last(await LiveReplies(store, engine).send(chat, "hello"))
    assert (update.reply.state, update.reply.text) == (MessageState.FAILED, "one two three")
    kept = store.messages(chat)[1]
    assert (kept.error, kept.error_values) == ("engine_refused", {"reason": "why not"})


async def test_nothing_is_shown_that_is_not_on_disk(store: Store, chat: int) -> None:
    """Read by another connection, as after a crash."""
    engine = on_and_on(gap=0.001)
    shown = []
    async for update in states(await LiveReplies(store, engine).send(chat, "hello")):
        shown.append(update.reply.text)
        with closing(sqlite3.connect(store.path)) as disk:
            (kept,) = disk.execute("SELECT text FROM message WHERE role = 'assistant'").fetchone()
        assert kept == shown[-1]
    assert len(set(shown)) > 5


async def test_the_last_words_before_a_pause_are_shown(store: Store, chat: int) -> None:
    waits = iter([0.0, 5.0])
    engine = script("one", "two", fails_at=2, pace=lambda: asyncio.sleep(next(waits)))
    live = await LiveReplies(store, engine).send(chat, "hello")
    await until(lambda: live.state.reply.text == "one two", seconds=2)
    await live.stop()


async def test_a_full_disk_leaves_the_text_on_the_page(
    store: Store, chat: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("store_full", path="/x", reason="full")

    monkeypatch.setattr(store, "update_message", full)
    update = await last(await LiveReplies(store, script()).send(chat, "hello"))
    assert update.reply.text == "one two three"
    assert (update.reply.state, update.reply.error) == (MessageState.FINISHED, "store_full")


async def test_retry_answers_the_last_message_again(store: Store, chat: int) -> None:
    engine = script()
    replies = LiveReplies(store, engine)
    await last(await replies.send(chat, "hello"))
    engine.tokens = ("better",)
    await last(replies.retry(chat))
    assert [m.text for m in store.messages(chat)] == ["hello", "better"]
    assert engine.asked[0].ids == engine.asked[1].ids


async def test_nothing_to_retry(store: Store, chat: int) -> None:
    with pytest.raises(InputError, match="no message"):
        LiveReplies(store, script()).retry(chat)


async def test_a_waiting_message_is_resumed_after_a_restart(store: Store, chat: int) -> None:
    store.add_turn(chat, "hello", "en")
    replies = LiveReplies(Store(store.path), script())
    live = replies.resume(chat)
    assert live and replies.resume(chat) is None, "by one tab"
    assert (await last(live)).reply.text == "one two three"
    assert replies.resume(chat) is None


async def test_one_reply_at_a_time(store: Store, chat: int) -> None:
    replies = LiveReplies(store, on_and_on(gap=0.05))
    live = await replies.send(chat, "hello")
    for refuse in (replies.send(chat, "again"), asyncio.to_thread(replies.retry, chat)):
        with pytest.raises(InputError) as refused:
            await refuse
        assert refused.value.key == "conversation_busy"
    assert replies.get(chat) is live and replies.ids() == {chat}
    await live.stop()
    assert len(store.messages(chat)) == 2
    assert replies.get(chat) is None


async def test_the_toggle_counts_from_the_next_message(store: Store, chat: int) -> None:
    engine = script()
    replies = LiveReplies(store, engine)
    live = await replies.send(chat, "hello")
    store.set_speculation(chat, False)
    await last(live)
    await last(await replies.send(chat, "again"))
    assert [asked.speculation for asked in engine.asked] == [True, False]


@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
async def test_what_cannot_be_sent_is_not_written(store: Store, chat: int, text: str) -> None:
    with pytest.raises(InputError):
        await last(await LiveReplies(store, script()).send(chat, text))
    assert store.messages(chat) == []


async def test_a_message_longer_than_the_context(store: Store, chat: int) -> None:
    engine = script()
    with pytest.raises(InputError) as refused:
        await last(await LiveReplies(store, engine).send(chat, "x" * 90))
    assert refused.value.key == "message_too_long"
    assert refused.value.values == {"tokens": "90", "limit": "75", "excess": "15"}
    assert (engine.asked, store.messages(chat)) == ([], [])


async def test_old_turns_make_room_and_the_update_says_so(store: Store, chat: int) -> None:
    engine = script("z" * 20)
    replies = LiveReplies(store, engine)
    assert (await last(await replies.send(chat, "a" * 20))).dropped_messages == 0
    update = await last(await replies.send(chat, "b" * 40))
    assert update.dropped_messages == 2
    assert engine.asked[1].ids == (ord("b"),) * 40
    assert engine.asked[1].sampling.max_tokens == 100 - 40 - 1


async def test_an_answer_gets_no_more_room_than_there_is(store: Store, chat: int) -> None:
    engine = script()
    await last(await LiveReplies(store, engine).send(chat, "x" * 70, Sampling(max_tokens=5000)))
    assert engine.asked[0].sampling.max_tokens == 29


async def test_an_abort_from_elsewhere_counts_as_stopped(store: Store, chat: int) -> None:
    update = await last(await LiveReplies(store, script(ends="abort")).send(chat, "hello"))
    assert update.reply.state is MessageState.STOPPED


async def test_an_unexpected_error_is_told_without_a_traceback(store: Store, chat: int) -> None:
    engine = script()
    engine.stream = None  # type: ignore[assignment]
    update = await last(await LiveReplies(store, engine).send(chat, "hello"))
    assert (update.reply.state, update.reply.error) == (MessageState.FAILED, "reply_failed")


async def test_stop_all_ends_every_reply(store: Store) -> None:
    engine = on_and_on()
    replies = LiveReplies(store, engine)
    chats = [store.create_conversation("").id for _ in range(3)]
    lives = [await replies.send(chat, "hello") for chat in chats]
    await until(lambda: len(engine.asked) == 3)
    await replies.stop_all()
    assert {live.state.reply.state for live in lives} == {MessageState.STOPPED}
    assert engine.open_now == 0


async def test_auto_chooses_before_the_reply_and_says_what(store: Store) -> None:
    engine = script()
    choice = AutoChoice(speculation=False, state="slower", speedup=0.92)
    replies = LiveReplies(store, engine, choose=lambda conversation, user: choice)
    conversation = store.create_conversation("auto")
    store.set_mode(conversation.id, SpeculationMode.AUTO)
    live = await replies.send(conversation.id, "Hello there")
    updates = [update async for update in states(live)]
    assert engine.asked[0].speculation is live.turn.speculation is False
    assert all(update.reply.choice == choice for update in updates)
    assert store.messages(conversation.id)[-1].choice == choice


async def test_a_toggle_turned_in_the_middle_counts_from_the_next_reply(store: Store) -> None:
    engine = script(gap=0.02)
    chosen: list[int] = []

    def choose(conversation: Conversation, user: Message) -> AutoChoice:
        chosen.append(user.id)
        return AutoChoice(True, "unknown")

    replies = LiveReplies(store, engine, choose)
    conversation = store.create_conversation("auto", speculation=False)
    async for update in states(await replies.send(conversation.id, "one")):
        if update.now:
            store.set_mode(conversation.id, SpeculationMode.AUTO)
    assert [asked.speculation for asked in engine.asked] == [False] and not chosen
    await last(await replies.send(conversation.id, "two"))
    assert [asked.speculation for asked in engine.asked] == [False, True]


async def test_the_record_of_a_reply_gives_its_figures_again(store: Store, chat: int) -> None:
    live = await LiveReplies(store, script(*"abcdef")).send(chat, "letters")
    reply = (await last(live)).reply
    trace = Traces(store).of(reply.id)
    assert trace is not None and metrics_of(trace) == reply.figures
    assert reply.kind == "prose"
    store.delete_conversation(chat)
    assert Traces(store).of(reply.id) is None


async def test_the_evidence_follows_every_new_reply(store: Store, chat: int) -> None:
    evidence = EvidenceReader(store)
    assert evidence.read().averages.all.replies == 0
    replies = LiveReplies(store, script(*"abcdef"))
    for count in (1, 2):
        await last(await replies.send(chat, "letters"))
        assert evidence.read().averages.all.replies == count
    assert evidence.read().averages == averages_of(store.messages(chat))
    store.delete_conversation(chat)
    assert evidence.read().averages.all.replies == 0


async def test_a_first_message_makes_its_conversation_or_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = LiveReplies(store, script())
    live = await replies.send(None, "hello", new=SpeculationMode.OFF)
    (made,) = store.conversations()
    assert (made.id, made.mode) == (live.turn.conversation_id, SpeculationMode.OFF)
    await last(live)

    def full(*_: object) -> None:
        raise StoreError("store_full", path="/x", reason="full")

    monkeypatch.setattr(store, "add_turn", full)
    with pytest.raises(StoreError):
        await replies.send(None, "hello")
    assert store.conversations() == [store.conversation(made.id)]


async def test_a_gateway_can_tell_the_conversations_of_all_apps_apart(store: Store) -> None:
    engine = script()
    one, two = (store.create_conversation("").id for _ in range(2))
    for replies in (LiveReplies(store, engine), LiveReplies(store, engine)):
        for chat in (one, one, two):
            await last(await replies.send(chat, "hello"))
    first, again, other, *others = (asked.conversation for asked in engine.asked)
    assert first == again != other and {first, other}.isdisjoint(others)


async def test_a_reply_for_the_terminal_is_kept_nowhere(store: Store) -> None:
    engine = script(fails_at=3, fails=EngineError("engine_refused", reason="why not"))
    prompt = FittedPrompt((1, 2), 50)

    async def ready() -> FittedPrompt:
        return prompt

    live = LiveReply(
        loose("hello", speculation=False),
        None,
        ready=ready,
        stream=lambda prompt, *how: engine.stream(prompt.ids, *how),
        sampling=Sampling(max_tokens=500),
    )
    assert (await last(live)).reply.text == "one two three"
    assert isinstance(live.error, EngineError) and live.trace.token_ids == tuple(map(ord, "eoe"))
    assert engine.asked == [Asked((1, 2), Sampling(max_tokens=50), False)]
    assert store.conversations() == []
