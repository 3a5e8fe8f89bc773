"""Engines on loopback and a gateway in front of them, as a team would start them."""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from chatapp.domain import Pair
from chatapp.engine.command import engine_command, engine_environment
from chatapp.engine.process.engine_process import free_port
from chatapp.engine.process.warmup import warm_up

SMG = shlex.join([sys.executable, "-m", "smg", "launch"])
AT_ONCE = 16
_READY_S = 240


@dataclass(frozen=True)
class Place:
    """An engine, or a gateway: where it is, its key, its process."""

    url: str
    key: str
    process: subprocess.Popen[bytes]

    def client(self, timeout: float = 60) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=False
        )

    def kill(self, number: int = signal.SIGKILL) -> None:
        """All its processes at once, as when the machine is gone."""
        os.killpg(self.process.pid, number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.process.wait()


@asynccontextmanager
async def engines(pair: Pair, count: int, logs: Path) -> AsyncIterator[list[Place]]:
    """``count`` engines with the plug-in and one key, ready."""
    key = secrets.token_hex(8)
    started = [_engine(pair, key, logs / f"engine{at}.log") for at in range(count)]
    try:
        await asyncio.gather(*(asyncio.to_thread(_warm, place) for place in started))
        yield started
    finally:
        for place in started:
            place.end()


def _engine(pair: Pair, key: str, log: Path) -> Place:
    port = free_port()
    extra = ("--max-running-requests", str(AT_ONCE))
    command = engine_command(pair, "cpu", port, key, extra=extra)
    return Place(f"http://127.0.0.1:{port}", key, _start(command, log, engine_environment("cpu")))


def _warm(place: Place) -> None:
    until = time.monotonic() + _READY_S
    while True:
        try:
            return warm_up(place.url, place.key, speculation=True)
        except httpx.HTTPError:
            if time.monotonic() > until or place.process.poll() is not None:
                raise
            time.sleep(0.5)


@asynccontextmanager
async def gateway(
    program: str, flags: Sequence[str], behind: Sequence[tuple[str, str]], log: Path
) -> AsyncIterator[Place]:
    """``program`` in front of the engines ``behind``, their addresses with their key. Raises
    ChildProcessError when it does not take the flags."""
    port, key = free_port(), behind[0][1]
    command = [
        *shlex.split(program),
        *("--host", "127.0.0.1", "--port", str(port), "--api-key", key),
        *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())),
        *("--worker-urls", *(url for url, _ in behind)),
        *flags,
    ]
    place = Place(f"http://127.0.0.1:{port}", key, _start(command, log))
    try:
        await _healthy(place, len(behind))
        yield place
    finally:
        place.end()


async def _healthy(place: Place, engines: int) -> None:
    async with asyncio.timeout(60), place.client() as client:
        while place.process.poll() is None:
            try:
                told = (await client.get("/readiness")).json()
                if told.get("healthy_workers") == engines:
                    return
            except (httpx.HTTPError, ValueError):
                pass
            await asyncio.sleep(0.1)
    raise ChildProcessError(f"the gateway ended with {place.process.returncode}")


def _start(
    command: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            start_new_session=True,
        )
