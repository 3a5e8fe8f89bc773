"""From a hub to a reply: the download is killed and resumed, ``ask`` starts an engine of its
own on it, and nothing of that is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from chatapp.domain import Pair
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


def test_killed_resumed_and_chatted_with(hub: Hub, data_dir: Path) -> None:
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

    kept = sorted(data_dir.iterdir())
    line = ["ask", "--pair", NAME, "--data-dir", str(data_dir), "--json", "--max-tokens", "24"]
    told = subprocess.run(
        [sys.executable, "-m", "chatapp", *line, "Hello"],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=READY_WITHIN_S,
    )
    assert told.returncode == 0 and "Ready after" in told.stderr, told.stderr
    (report,) = map(json.loads, told.stdout.splitlines())
    assert report["text"].strip() and report["verify_steps"] > 0
    assert sorted(data_dir.iterdir()) == kept and _engines(data_dir) == []


def _engines(folder: Path) -> list[str]:
    """Every process that was started with a target in this folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it may have ended meanwhile
            line = " ".join(process.cmdline())
            found += [line] if str(folder / "models") in line else []
    return found
