"""The machine, its versions, and what of our code does not fit them: before anything runs.

With another SGLang than the pinned one the report goes on as far as it carries.
"""

from __future__ import annotations

import asyncio
import json
import platform
import subprocess
import sys
from collections.abc import AsyncGenerator
from importlib.metadata import PackageNotFoundError, requires, version

from chatapp.engine.command import engine_command, engine_environment
from chatapp.host import machine
from chatapp.measure.machine.cards import engine_gpu
from chatapp.measure.machine.gpus import Gpus
from chatapp.measure.machine.setting import machine_name
from tests.gpu.arithmetic import gigabytes
from tests.gpu.attempt import attempt
from tests.gpu.bench import Bench
from tests.gpu.part import Part
from tests.gpu.row import Row

PACKAGES = (
    *("sglang", "torch", "triton", "flashinfer-python", "sglang-kernel", "transformers"),
    *("nvidia-cuda-runtime", "nvidia-cuda-nvcc"),
)
_FIT_S = 240
# Asked in a child: this process imports neither torch nor SGLang.
_FIT = """
import argparse, json, sys
from chatapp.sglang_plugin import check_hooks
from sglang.srt.server_args import ServerArgs
parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
unknown = parser.parse_known_args(json.load(sys.stdin))[1]
print(json.dumps({"hooks": check_hooks(), "unknown": unknown}))
"""


async def rows(bench: Bench) -> AsyncGenerator[Row]:
    for name, work in (
        ("card", _card(bench)),
        ("versions", _versions()),
        ("hooks", _fit(bench)),
    ):
        async for row in attempt(name, work):
            yield row


async def _card(bench: Bench) -> AsyncGenerator[Row]:
    driver = machine.nvidia_driver()
    value = f"driver {driver.version}" if driver else "no driver"
    gpus = Gpus()
    gpu = engine_gpu(gpus.sample(())[0]) if bench.device == "cuda" else None
    if gpu:
        capability = gpus.capability(gpu.index)
        value += f", {gigabytes(gpu.total_bytes)}, {gigabytes(gpu.used_bytes)} used"
        value += f", capability {'.'.join(map(str, capability or ('?',)))}"
    yield Row(machine_name(bench.device), value)
    yield Row("system", f"{platform.platform()}, Python {platform.python_version()}")


async def _versions() -> AsyncGenerator[Row]:
    found = [f"{name} {told}" for name in PACKAGES if (told := _version(name))]
    yield Row("versions", ", ".join(found))
    pinned = next((r for r in requires("eaglechat") or () if r.startswith("sglang==")), "")
    if pinned and pinned != f"sglang=={_version('sglang')}":
        yield Row("not the SGLang that EagleChat is written for", f"{pinned} is")


async def _fit(bench: Bench) -> AsyncGenerator[Row]:
    line = engine_command(bench.pocket().pair, bench.device, 30000, "key")[3:]
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-c", _FIT],
        input=json.dumps(line),
        env=engine_environment(bench.device),
        capture_output=True,
        text=True,
        timeout=_FIT_S,
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        yield Row("hooks", f"not measured: {(done.stderr.splitlines() or ['?'])[-1]}")
        return
    told = json.loads(done.stdout.splitlines()[-1])
    for name, fits, why in told["hooks"]:
        yield Row(f"hook: {name}", "fits" if fits else f"does not fit: {why}")
    unknown = " ".join(told["unknown"])
    yield Row("the engine's arguments", f"not known: {unknown}" if unknown else "all known")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


PART = Part("machine", "card, versions, hooks that fit and do not", 280, rows)
