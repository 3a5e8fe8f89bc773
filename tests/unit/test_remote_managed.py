"""The app's engine is one elsewhere: chosen by the settings, waited for, never stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatapp.application.engine_manager import EngineManager
from chatapp.application.live_replies import LiveReplies
from chatapp.application.monitor import Monitor
from chatapp.chat.store import Store
from chatapp.domain import EngineState, GpuSample, MemorySample, MessageState
from chatapp.errors import InputError
from chatapp.measure.machine.setting import setting_of
from chatapp.settings import Settings
from tests.fakes.elsewhere import TOKENS, Server, serve
from tests.replies import last
from tests.unit.test_remote_engine import quick, until

__all__ = ["quick"]


@asynccontextmanager
async def managed(server: Server, data_dir: Path) -> AsyncIterator[EngineManager]:
    manager = EngineManager(Settings(engine_url=server.url, data_dir=data_dir))
    await manager.start()
    try:
        yield manager
    finally:
        await manager.end()


async def test_it_is_connected_and_named(data_dir: Path) -> None:
    async with serve() as server, managed(server, data_dir) as manager:
        await until(lambda: manager.status().state is EngineState.READY)
        assert manager.status().pair_name == "qwen" and manager.pair is None
        setting = setting_of(manager.status())
        assert setting.machine == f"NVIDIA L4 ({server.url.removeprefix('http://')})"
        with pytest.raises(InputError):
            async with manager.aside():
                pass


async def test_a_message_for_an_engine_that_is_not_there_waits_on_disk(data_dir: Path) -> None:
    """Written down without its length being known; answered by itself once it can be."""
    store = Store(data_dir / "chats.sqlite3")
    chat = store.create_conversation("")
    async with serve() as server:
        await server.down()
        async with managed(server, data_dir) as manager:
            live = await LiveReplies(store, manager).send(chat.id, "hello")
            assert live.state.reply.state is MessageState.WAITING
            assert [m.text for m in store.messages(chat.id)] == ["hello", ""]
            await until(lambda: manager.status().failure == "remote_unreachable")
            await server.up()
            ended = await last(live)
    assert ended.reply.state is MessageState.FINISHED and ended.reply.text == "x" * TOKENS


async def test_a_reply_that_breaks_off_is_kept_and_can_be_asked_again(data_dir: Path) -> None:
    store = Store(data_dir / "chats.sqlite3")
    chat = store.create_conversation("")
    async with serve() as server, managed(server, data_dir) as manager:
        replies = LiveReplies(store, manager)
        server.script.cut_after = 5
        ended = await last(await replies.send(chat.id, "hello"))
        assert (ended.reply.state, ended.reply.error) == (MessageState.FAILED, "remote_broke_off")
        assert store.messages(chat.id)[1].text == "xxxxx"
        server.script.cut_after = None
        ended = await last(replies.retry(chat.id))
        assert ended.reply.state is MessageState.FINISHED


async def test_the_memory_is_what_the_engine_tells_and_no_card_of_ours(data_dir: Path) -> None:
    ours = GpuSample("RTX", 1, 2, None, None, None, None)
    sample = MemorySample(at=0.0, total_bytes=8, available_bytes=4, app_bytes=1, gpu=ours)
    async with serve() as server, managed(server, data_dir) as manager:
        await until(lambda: manager.status().state is EngineState.READY)
        moment = await Monitor(lambda: sample, manager).look()
        assert moment.sample.gpu is None and moment.sample.app_bytes == 1
        assert moment.engine and moment.engine.kv_bytes == 3 << 30
        assert await asyncio.to_thread(manager.pids) == {}
