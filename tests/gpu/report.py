"""What can only be measured on an NVIDIA GPU, in one table: ``python -m tests.gpu.report``.

It needs nothing but the installed project. Without a GPU it says so and ends with 2;
``--rehearse`` goes through the same steps on a CPU with little models, to see that they
run, and marks its table as no measurement of a GPU.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatapp.domain import Tree
from chatapp.engine.process import Engine
from chatapp.errors import ProductError
from chatapp.launch import machine
from chatapp.measure.cards import engine_gpu
from chatapp.measure.gpus import Gpus
from chatapp.measure.ledger import EngineMemory
from chatapp.pairs import locate
from chatapp.pairs.catalogue import known_pairs
from chatapp.units import MIB
from tests.gpu.arithmetic import (
    Row,
    Speed,
    accept_length,
    agreement,
    ratio,
    smi_card,
    smi_processes,
    table,
)
from tests.gpu.lanes import DUMMY, Answer, Lane, ask, random_pair, simulated_acceptance
from tests.gpu.prompts import PROMPTS

SIMULATED_LENGTH = 3.3
SECOND_STATE = "eaglechat_second_state"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    device: str
    prompts: int
    tokens: int
    random_tokens: int
    scale: int


FULL = Size("cuda", 40, 128, 256, 1)
REHEARSAL = Size("cpu", 4, 24, 24, 16)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.report", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="the same steps on a CPU")
    arguments = parser.parse_args(argv)
    driver = machine.nvidia_driver()
    if not arguments.rehearse and (reason := why_not(driver)):
        print(reason, file=sys.stderr)
        return 2
    size = REHEARSAL if arguments.rehearse else FULL
    with tempfile.TemporaryDirectory(prefix="eaglechat-gpu-") as folder:
        rows = asyncio.run(measure(size, Path(folder)))
    print(table(_title(arguments.rehearse, driver), rows))
    return 0


def why_not(driver: machine.Driver | None) -> str | None:
    if driver is None:
        return "No NVIDIA GPU answers here, so nothing was measured."
    if not driver.new_enough:
        return (
            f"The NVIDIA driver {driver.version} is too old ({machine.MINIMUM_DRIVER} is "
            "needed), so nothing was measured."
        )
    return None


async def measure(size: Size, folder: Path) -> list[Row]:
    """What fails is a row as well, with the end of its log on standard error, and takes
    nothing of the rest with it."""
    rows: list[Row] = []
    for part in (pocket, published_shape):
        try:
            async for row in part(size, folder):
                print(f"{row.what}: {row.value}", file=sys.stderr, flush=True)
                rows.append(row)
        except (ProductError, OSError, subprocess.SubprocessError) as error:
            rows.append(Row(f"{part.__name__}: not finished", str(error)))
            _show_log(folder)
    return rows


def _show_log(folder: Path) -> None:
    latest = max(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, default=None)
    if latest is not None:
        print(f"--- the end of {latest.name}", file=sys.stderr)
        print("\n".join(latest.read_text("utf-8", "replace").splitlines()[-40:]), file=sys.stderr)


async def pocket(size: Size, folder: Path) -> AsyncIterator[Row]:
    """The switch under CUDA graphs, with a pair whose answers mean something."""
    pair = replace(locate("pocket"), tree=Tree(5, 4, 16))
    lane = Lane(pair, size.device, folder)
    ids = lane.prompts(PROMPTS[: size.prompts])
    async with lane.engine(speculation=False) as engine:
        await ask(engine, ids[:2], 8, False)
        plain = await ask(engine, ids, size.tokens, False)
    began = time.monotonic()
    async with lane.engine(speculation=True) as engine:
        start_s = time.monotonic() - began
        await ask(engine, ids[:2], 8, True)
        off = await ask(engine, ids, size.tokens, False)
        on = await ask(engine, ids, size.tokens, True)
        rows = [*await _second_state(engine), *await _memory(engine, size.device)]
    speeds = {"plain": speed(plain), "off": speed(off), "on": speed(on)}
    for row in (
        Row("texts, speculation on against off", str(agreement(_ids(on), _ids(off)))),
        Row("texts, speculation off against no draft", str(agreement(_ids(off), _ids(plain)))),
        Row("pocket pair, no draft", str(speeds["plain"])),
        Row("pocket pair, speculation off", str(speeds["off"])),
        Row("off against no draft", ratio(speeds["off"], speeds["plain"])),
        Row("pocket pair, speculation on, 5/4/16", str(speeds["on"])),
        Row("on against no draft", ratio(speeds["on"], speeds["plain"])),
        Row("accept length of the pocket pair", _length(on)),
        Row("start of the switchable engine", f"{start_s:.0f} s"),
        *rows,
    ):
        yield row


async def published_shape(size: Size, folder: Path) -> AsyncIterator[Row]:
    """Random weights: what engine and configuration can do when 3.3 tokens are accepted."""
    tokenizer = locate("pocket").target
    pair = random_pair(known_pairs()["published"], tokenizer, folder / "random", size.scale)
    speeds: dict[tuple[bool, int], Speed] = {}
    for speculation in (False, True):
        extra = DUMMY if speculation else DUMMY[:2]
        lane = Lane(pair, size.device, folder, extra)
        ids = lane.prompts(PROMPTS[:8])
        with simulated_acceptance(SIMULATED_LENGTH):
            async with lane.engine(speculation) as engine:
                await ask(engine, ids[:1], 8, speculation)
                for parallel in (1, 4):
                    answers = await ask(engine, ids, size.random_tokens, speculation, parallel)
                    speeds[speculation, parallel] = speed(answers)
                    name = f"published shape, random weights, parallel {parallel}"
                    kind = "5/4/16" if speculation else "no draft"
                    value = str(speeds[speculation, parallel])
                    yield Row(f"{name}, {kind}", value, simulated=speculation)
                if speculation:
                    yield Row("its accept length", _length(answers), simulated=True)
                for row in await _memory(engine, size.device, f"{pair.name}: "):
                    yield row
    for parallel in (1, 4):
        gain = ratio(speeds[True, parallel], speeds[False, parallel])
        yield Row(f"gain at parallel {parallel}", gain, simulated=True)


async def _second_state(engine: Engine) -> list[Row]:
    state = (await engine.client.server_info())["internal_states"][0].get(SECOND_STATE) or {}
    seconds, taken = state.get("seconds"), state.get("bytes")
    return [
        Row("second state of the switch", "unknown" if seconds is None else f"{seconds:.2f} s"),
        Row("memory of the second state", _megabytes(taken)),
    ]


async def _memory(engine: Engine, device: str, name: str = "") -> list[Row]:
    """What the engine, NVML and nvidia-smi say of the same moment."""
    told = EngineMemory.told(await engine.client.server_info())
    rows = []
    if told:
        rows.append(Row(f"{name}engine's own account", _account(told)))
    if device == "cpu":
        return rows
    pids = set(engine.pids().values())
    gpu = engine_gpu(Gpus().sample(pids)[0])
    if gpu is None:
        return [*rows, Row(f"{name}card, NVML", "unknown")]
    used, total = smi_card(_smi(gpu.uuid, "--query-gpu=memory.used,memory.total"))
    held = smi_processes(_smi(gpu.uuid, "--query-compute-apps=pid,used_memory"))
    ours = sum(size for pid, size in held.items() if pid in pids)
    rows += [
        Row(f"{name}card, NVML", f"{_megabytes(gpu.used_bytes)} used"),
        Row(f"{name}card, nvidia-smi", f"{_megabytes(used)} of {_megabytes(total)} used"),
        Row(f"{name}engine, NVML", _megabytes(gpu.engine_bytes)),
        Row(f"{name}engine, nvidia-smi", _megabytes(ours or None)),
    ]
    return rows


def _account(told: EngineMemory) -> str:
    parts = {"weights": told.target_bytes, "KV": told.kv_bytes, "graphs": told.graph_bytes}
    listed = ", ".join(f"{name} {_megabytes(size)}" for name, size in parts.items())
    return f"{listed}, {told.kv_tokens} tokens"


def _smi(card: str, query: str) -> str:
    command = ["nvidia-smi", "-i", card, query, "--format=csv,noheader,nounits"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def speed(answers: Sequence[Answer]) -> Speed:
    told = [a.figures.tokens_per_second for a in answers]
    return Speed.of([value for value in told if value])


def _ids(answers: Sequence[Answer]) -> list[tuple[int, ...]]:
    return [answer.token_ids for answer in answers]


def _length(answers: Sequence[Answer]) -> str:
    steps = sum(answer.figures.verify_steps for answer in answers)
    accepted = sum(answer.figures.accepted_drafts for answer in answers)
    length = accept_length(steps, accepted)
    return "unknown" if length is None else f"{length:.2f}"


def _megabytes(size: int | None) -> str:
    return "unknown" if size is None else f"{size / MIB:.0f} MiB"


def _title(rehearsal: bool, driver: machine.Driver | None) -> str:
    if rehearsal:
        return "Rehearsal on a CPU with little models: not a measurement of a GPU."
    gpu = engine_gpu(Gpus().sample(())[0])
    version = driver.version if driver else "?"
    return f"{gpu.name if gpu else '?'}, driver {version}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
