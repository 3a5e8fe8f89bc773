"""The engine that ``ask`` talks to: one elsewhere, that of the running app, or one of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from chatapp import locations
from chatapp.application.chosen_pair import find_pair, find_setup
from chatapp.chat.choices import with_choices
from chatapp.commands.start_line import shown_start
from chatapp.devices import engine_device
from chatapp.domain import Prompt, Tree
from chatapp.engine.client import EngineClient
from chatapp.engine.process.local_engine import LocalEngine, attach
from chatapp.engine.process.onlooker import Onlooker
from chatapp.engine.process.pidfile import Pidfile
from chatapp.engine.prompt import ChatPrompt
from chatapp.engine.remote.address import Address, address_of
from chatapp.engine.remote.remote_engine import connected
from chatapp.errors import EngineError
from chatapp.settings import Settings

START_TIMEOUT_S = 3600  # the first start on a card compiles its kernels
_POLL_S = 0.5
Say = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Answerer:
    """Where prompts go, how they are written for its target, what it runs on, and the
    accept length that is made up there, if it is."""

    client: EngineClient
    prompt: Prompt
    device: str
    simulated: float | None = None


@asynccontextmanager
async def answerer(settings: Settings, say: Say) -> AsyncIterator[Answerer]:
    """An engine that is ready; one that was started for this is stopped after it."""
    address = address_of(with_choices(settings))
    if address is not None:
        async with _elsewhere(address, settings, say) as connected:
            yield connected
        return
    running = await _running(settings, say)
    if running is not None:
        try:
            yield running
        finally:
            await running.client.aclose()
        return
    async with _own(settings, say) as own:
        yield own


@asynccontextmanager
async def _elsewhere(address: Address, settings: Settings, say: Say) -> AsyncIterator[Answerer]:
    async with connected(address, settings.data_dir) as engine:
        status, client = engine.status(), engine.client
        say("elsewhere", model=status.pair_name, host=address.host)
        try:
            yield Answerer(client, engine.prompt(), status.device, status.simulated_accept_length)
        finally:
            await client.aclose()


async def _running(settings: Settings, say: Say) -> Answerer | None:
    """The running app's engine, unless something else was asked for on the command line."""
    found = attach(locations.engine_log(settings.data_dir))
    if found is None or settings.source("engine_args") == "flag":
        return None
    record, client = found
    say("joining")
    with closing(Onlooker(record, locations.engine_log(settings.data_dir))) as onlooker:
        async with shown_start(onlooker.status):
            info = await _info(record, client)
    if info is None or not is_wanted(settings, info):
        return None
    prompt = ChatPrompt(Path(info["model_path"]), usable_context(info))
    return Answerer(client, prompt, str(info.get("device", "")), _simulated(info))


def _simulated(info: dict[str, Any]) -> float | None:
    """The accept length that the engine was told to make up, if it was."""
    try:
        return float(info["internal_states"][0]["eaglechat_simulated_accept_length"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def usable_context(info: dict[str, Any]) -> int | None:
    """The engine's context without what it keeps for the tree; None: the target's."""
    context: int | None = info.get("context_length")
    told = (
        info.get(f"speculative_{name}") for name in ("num_steps", "eagle_topk", "num_draft_tokens")
    )
    shape = [number for number in told if number is not None]
    if context is None or len(shape) < 3:
        return context
    return context - Tree(*shape).reserved_tokens


async def _info(record: Pidfile, client: EngineClient) -> dict[str, Any] | None:
    """What it says of itself once it is up; None when it ends before."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while record.engine.lives() and time.monotonic() < deadline:
        try:
            return await client.server_info()
        except EngineError:
            await asyncio.sleep(_POLL_S)
    return None


def is_wanted(settings: Settings, info: dict[str, Any]) -> bool:
    if settings.source("device") == "flag" and info.get("device") != engine_device(settings):
        return False
    if "flag" in (settings.source("pair"), settings.source("drafter")):
        pair, draft = find_pair(settings), info.get("speculative_draft_model_path")
        there = Path(info["model_path"]), info.get("speculative_algorithm"), draft and Path(draft)
        return there == (pair.target, pair.drafter, pair.draft)
    return True


@asynccontextmanager
async def _own(settings: Settings, say: Say) -> AsyncIterator[Answerer]:
    setup, device = find_setup(settings), engine_device(settings)
    prompt = ChatPrompt.of(setup.pair)
    log = locations.ask_log(settings.data_dir)
    log.parent.mkdir(parents=True, exist_ok=True)
    remove_old_logs(log)
    engine = LocalEngine(setup.pair, device, log, setup.arguments, setup.speculation)
    say("starting", pair=setup.pair.name, device=device)
    try:
        await engine.start()
        async with shown_start(engine.status):
            await engine.ready(START_TIMEOUT_S)
        say("ready", seconds=round(engine.status().elapsed_s))
        client = engine.client
        try:
            yield Answerer(client, prompt, device, engine.status().simulated_accept_length)
        finally:
            await client.aclose()
    except EngineError:
        say("log", path=log)
        raise
    else:
        log.unlink(missing_ok=True)
    finally:
        await engine.stop()


def remove_old_logs(log: Path) -> None:
    """Those of earlier runs that failed or were killed; the newest is kept until now."""
    for old in log.parent.glob("ask-*.*"):
        pid = old.stem.partition("-")[2]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            old.unlink(missing_ok=True)
