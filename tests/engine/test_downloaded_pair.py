"""From a hub to a reply: the download is killed and resumed, and the engine chats with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.application.chosen_pair import find_pair
from chatapp.domain import Pair, Role, Sampling
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.settings import Settings
from tests.conftest import READY_WITHIN_S
from tests.fakes.hub import Hub, serve

NAME = "eaglechat/pocket-target,eaglechat/pocket-draft"


@pytest.fixture
def hub(pocket_pair: Pair) -> Iterator[Hub]:
    folders = {"eaglechat/pocket-target": pocket_pair.target}
    folders["eaglechat/pocket-draft"] = pocket_pair.draft
    models = {
        name: {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        for name, folder in folders.items()
    }
    with serve(Hub(models, chunk=1 << 16, delay_s=0.02)) as hub:
        yield hub


async def test_killed_resumed_and_chatted_with(hub: Hub, data_dir: Path, pocket_pair: Pair) -> None:
    command = [sys.executable, "-m", "chatapp", "pairs", "download", NAME]
    command += ["--data-dir", str(data_dir)]
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "NO_PROXY": "127.0.0.1"}
    child = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while hub.sent < 4_000_000:
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    hub.delay_s = 0
    again = subprocess.run(command, env=environment, capture_output=True, timeout=300)
    assert again.returncode == 0, again.stderr.decode()
    begins = hub.files_asked("pocket-target/model.safetensors")
    assert begins[0] == 0 and begins[-1] > 0, "it went on where it was killed"

    found = find_pair(Settings.load(pair=NAME, data_dir=data_dir))
    assert found.target.parent == data_dir / "models"
    pair = replace(found, tree=pocket_pair.tree, context_length=pocket_pair.context_length)
    engine = LocalEngine(pair, "cpu", data_dir / "engine.log")
    try:
        await engine.start()
        await engine.ready(READY_WITHIN_S)
        ids = ChatPrompt(pair.target, pair.context_length).encode([(Role.USER, "Hello")])
        chunks = [c async for c in engine.client.stream(ids, Sampling(max_tokens=24), True)]
    finally:
        await engine.stop()
    assert chunks[-1].text.strip()
    assert sum(chunks[-1].histogram) > 0
