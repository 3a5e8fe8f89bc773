"""The life of a real engine: up, broken, up again, down, and nothing left of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chatapp.application.live_replies import LiveReplies
from chatapp.application.live_reply import LiveReply
from chatapp.chat.store import Store
from chatapp.domain import EngineState, MessageState, Pair, Role, Sampling
from chatapp.engine.process import engine_process
from chatapp.engine.process.local_engine import LocalEngine, attach
from chatapp.engine.process.orphans import find_orphans
from chatapp.engine.process.pidfile import record_path
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import EngineError
from chatapp.texts import LANGUAGES, Texts
from chatapp.units import MIB

READY_WITHIN_S = 600
HANG_S = 4.0
LONG = Sampling(temperature=1.0, max_tokens=800)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until(condition: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come to be in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def speaks(engine: LocalEngine, prompt: ChatPrompt) -> bool:
    ids = prompt.encode([(Role.USER, "你好")])
    sampling = Sampling(max_tokens=8)
    return [chunk async for chunk in engine.client.stream(ids, sampling, True)][-1].text != ""


async def streaming(replies: LiveReplies) -> LiveReply:
    """A long reply of which something is there."""
    live = await replies.send(None, "Tell me a story about an owl", LONG)
    await until(lambda: bool(live.state.reply.text), 30)
    return live


async def failed(engine: LocalEngine) -> EngineError:
    """What a broken engine says of itself, checked for words in both languages."""
    await engine.start()
    try:
        with pytest.raises(EngineError) as told:
            await engine.ready(READY_WITHIN_S)
        status = engine.status()
        assert status.state is EngineState.FAILED
        assert status.log_tail
        for language in LANGUAGES:
            assert "{" not in told.value.words(Texts(language))
        return told.value
    finally:
        await engine.stop()


@pytest.fixture
def broken_pair(pocket_pair: Pair, tmp_path: Path) -> Iterator[Pair]:
    """A copy of the pair that a test may damage."""
    target = shutil.copytree(pocket_pair.target, tmp_path / "target")
    yield replace(pocket_pair, target=target)


async def test_a_life_with_a_stolen_port_a_killed_scheduler_and_a_hang(
    pocket_pair: Pair, prompt: ChatPrompt, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = socket.create_server(("127.0.0.1", 0))
    stolen, free_port = thief.getsockname()[1], engine_process.free_port
    ports = iter([stolen])
    monkeypatch.setattr(engine_process, "free_port", lambda: next(ports, None) or free_port())
    log_path = data_dir / "engine.log"
    engine = LocalEngine(pocket_pair, "cpu", log_path, hang_s=HANG_S)
    assert engine.status().state is EngineState.STOPPED
    began = time.monotonic()
    await engine.start()
    # A spawned interpreter takes no time on a quiet machine: so much for how busy it is.
    assert (busy := time.monotonic() - began) < 30
    try:
        assert engine.status().state is EngineState.STARTING
        await engine.ready(READY_WITHIN_S)
        status = engine.status()
        assert str(stolen) not in status.address
        times = [phase.at for phase in status.timeline]
        assert None not in times and times == sorted(times)
        assert times[-1] <= status.elapsed_s
        pids = engine.pids()
        assert set(pids) == {"main", "scheduler", "detokenizer"}
        assert await speaks(engine, prompt)

        store = Store(data_dir / "chats.sqlite3")
        replies = LiveReplies(store, engine)
        live = await streaming(replies)
        os.kill(pids["scheduler"], signal.SIGKILL)
        noticed = await until(lambda: engine.status().state is EngineState.FAILED, 30)
        assert noticed < 1 + busy
        await until(lambda: live.latest.closed, 30)
        reply = live.state.reply
        assert (reply.state, reply.error) == (MessageState.FAILED, "engine_broke_off")
        assert reply.text and store.messages(live.turn.conversation_id)[1] == reply
        assert engine.status().failure == "engine_killed"
        with pytest.raises(EngineError):
            _ = engine.client

        await engine.restart()
        await engine.ready(READY_WITHIN_S)
        assert all(gone(pid) for pid in pids.values())
        assert await speaks(engine, prompt)
        found = attach(log_path)
        assert found is not None and found[0].address == engine.status().address

        pids = engine.pids()
        live = await streaming(replies)
        os.kill(pids["detokenizer"], signal.SIGSTOP)
        await until(lambda: engine.status().state is EngineState.FAILED, HANG_S + 30)
        assert engine.status().failure == "engine_hangs"
        await until(lambda: live.latest.closed, 30)
        assert live.state.reply.state is MessageState.FAILED and live.state.reply.text
        await until(lambda: all(gone(pid) for pid in pids.values()), 5 + busy)
    finally:
        await engine.stop()
    assert engine.status().state is EngineState.STOPPED
    assert not record_path(log_path).exists() and attach(log_path) is None
    thief.close()


async def test_a_damaged_weight_file(broken_pair: Pair, data_dir: Path) -> None:
    weights = next(broken_pair.target.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    told = await failed(LocalEngine(broken_pair, "cpu", data_dir / "engine.log"))
    assert told.key == "engine_weights_corrupt"


async def test_a_missing_weight_file(broken_pair: Pair, data_dir: Path) -> None:
    next(broken_pair.target.glob("*.safetensors")).unlink()
    told = await failed(LocalEngine(broken_pair, "cpu", data_dir / "engine.log"))
    assert told.key == "engine_weights_missing"


async def test_an_argument_that_sglang_does_not_know(pocket_pair: Pair, data_dir: Path) -> None:
    engine = LocalEngine(pocket_pair, "cpu", data_dir / "engine.log", ["--no-such-argument"])
    told = await failed(engine)
    assert told.key == "engine_arguments"
    assert "--no-such-argument" in told.values["line"]


APP = """
import asyncio, sys
from pathlib import Path
from chatapp.domain import Tree, Pair
from chatapp.engine.process.local_engine import LocalEngine
pair = Pair("pocket", Path(sys.argv[1]), Path(sys.argv[2]), Tree(5, 4, 16), "float32", 512)
async def main():
    engine = LocalEngine(pair, "cpu", Path(sys.argv[3]))
    await engine.start()
    while "scheduler" not in engine.pids():
        await asyncio.sleep(0.1)
    print(*engine.pids().values(), flush=True)
    await asyncio.sleep(300)
asyncio.run(main())
"""


async def test_a_killed_app_takes_the_engine_along_once_its_reaper_can(
    pocket_pair: Pair, data_dir: Path
) -> None:
    """In the middle of its start, which is when most of it is not up to ending politely.
    With a reaper that is held up it is left behind, and known as that."""
    log_path = data_dir / "engine.log"
    app = subprocess.Popen(
        [sys.executable, "-c", APP, pocket_pair.target, pocket_pair.draft, log_path],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert app.stdout is not None
    line = await asyncio.to_thread(app.stdout.readline)
    pids = [int(word) for word in line.split()]
    assert len(pids) >= 2 and not any(gone(pid) for pid in pids)
    found = attach(log_path)
    assert found is not None
    reaper = found[0].reaper.pid
    pids.append(reaper)
    os.kill(reaper, signal.SIGSTOP)
    app.kill()
    app.wait()
    app.stdout.close()
    (orphan,) = (one for one in find_orphans() if one.app.pid == app.pid)
    assert set(pids) <= set(orphan.pids) and orphan.resident_bytes > 100 * MIB
    os.kill(reaper, signal.SIGCONT)
    await until(lambda: all(gone(pid) for pid in pids), 10)
