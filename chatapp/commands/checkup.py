"""What ``doctor`` looks at: one function each, giving a finding with the key of its words."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import psutil

from chatapp import locations
from chatapp.application.chosen_pair import find_pair
from chatapp.chat.choices import with_choices
from chatapp.commands import trial
from chatapp.devices import engine_device
from chatapp.domain import EngineStatus
from chatapp.engine.remote.address import Address, address_of
from chatapp.engine.remote.remote_engine import connected
from chatapp.host import machine, toolchain
from chatapp.launch import complete
from chatapp.measure.machine.cards import engine_card
from chatapp.settings import Settings
from chatapp.ui.server import port as page_port
from chatapp.units import GB, GIB, disk_gb, memory_gb

LEAST_FREE_BYTES = 2 * GB
# A machine that is sold with 4 GB says that it has a little less.
LEAST_MEMORY_BYTES = 7 * GIB // 2
_ASK_HOOKS = (
    "import json; from chatapp.sglang_plugin import check_hooks as c; print(json.dumps(c()))"
)
_HOOKS_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class CheckupFinding:
    """``key`` names its words: ``doctor.details.KEY`` and, when not ok, ``doctor.fixes.KEY``."""

    ok: bool
    key: str
    values: Mapping[str, object] = field(default_factory=dict)


def _machine(settings: Settings) -> CheckupFinding:
    machine.check_system()
    memory = psutil.virtual_memory().total
    values = {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": memory_gb(memory),
        "needed": memory_gb(LEAST_MEMORY_BYTES),
    }
    enough = memory >= LEAST_MEMORY_BYTES
    return CheckupFinding(enough, "machine" if enough else "little_memory", values)


def _driver(settings: Settings) -> CheckupFinding:
    driver = machine.nvidia_driver()
    if driver is None:
        return CheckupFinding(settings.device != "cuda", "no_driver")
    values = {"version": driver.version, "gpus": driver.gpus, "minimum": machine.MINIMUM_DRIVER}
    fine = driver.new_enough or settings.device == "cpu"
    return CheckupFinding(fine, "driver" if driver.new_enough else "old_driver", values)


def _python(settings: Settings) -> CheckupFinding:
    return CheckupFinding(
        sys.version_info >= (3, 11), "python", {"version": platform.python_version()}
    )


def _installed(settings: Settings) -> CheckupFinding:
    name = engine_device(settings)
    missing = complete.missing(name)
    values = {"set": name, "missing": ", ".join(missing[:5]), "count": len(missing)}
    return CheckupFinding(not missing, "incomplete" if missing else "complete", values)


def _versions(settings: Settings) -> CheckupFinding:
    names = ("sglang", "torch", "transformers", "gradio")
    return CheckupFinding(True, "versions", {"list": ", ".join(f"{n} {version(n)}" for n in names)})


def _disk(settings: Settings) -> CheckupFinding:
    place = _existing(settings.data_dir)
    free = machine.free_bytes(place)
    values = {"free": disk_gb(free), "needed": disk_gb(LEAST_FREE_BYTES), "place": place}
    enough = free >= LEAST_FREE_BYTES
    return CheckupFinding(enough, "disk" if enough else "disk_low", values)


def _data_dir(settings: Settings) -> CheckupFinding:
    place = _existing(settings.data_dir)
    try:
        with tempfile.TemporaryFile(dir=place):
            return CheckupFinding(True, "data_dir", {"place": settings.data_dir})
    except OSError as error:
        values = {"place": settings.data_dir, "reason": error.strerror}
        return CheckupFinding(False, "data_dir_closed", values)


def _pair(settings: Settings) -> CheckupFinding:
    pair = find_pair(settings)
    return CheckupFinding(
        True,
        "pair",
        {"name": pair.name, "drafter": pair.drafter, "tree": pair.tree, "place": pair.target},
    )


def _port(settings: Settings) -> CheckupFinding:
    port = settings.port or page_port.DEFAULT
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
            return CheckupFinding(True, "port", {"port": port})
        except OSError:
            ours = _is_ours(settings, port)
            return CheckupFinding(ours, "port_ours" if ours else "port_busy", {"port": port})


def _hooks(settings: Settings) -> CheckupFinding:
    """Asks in a child: this process never imports torch or sglang."""
    from chatapp.engine.command import engine_environment

    answer = subprocess.run(
        [sys.executable, "-P", "-c", _ASK_HOOKS],
        env=engine_environment(engine_device(settings)),
        capture_output=True,
        text=True,
        timeout=_HOOKS_TIMEOUT_S,
        check=False,
    )
    if answer.returncode:
        reason = (answer.stderr.strip().splitlines() or ["?"])[-1]
        return CheckupFinding(False, "hooks_unknown", {"reason": reason[:300]})
    hooks = json.loads(answer.stdout.strip().splitlines()[-1])
    absent = [f"{name} ({detail})" for name, ok, detail in hooks if not ok]
    values = {"found": ", ".join(name for name, ok, _ in hooks if ok), "absent": "; ".join(absent)}
    return CheckupFinding(not absent, "hooks_absent" if absent else "hooks", values)


def _compilers(settings: Settings) -> CheckupFinding:
    """Raises LaunchError with the command that brings what is missing."""
    driver = machine.nvidia_driver()
    if settings.device == "cpu" or not (driver and driver.new_enough):
        return CheckupFinding(True, "not_compiled")
    found = toolchain.find(sys.executable)
    if found.lacks:
        raise found.lacks
    path = found.compilers and found.compilers.cpp
    return CheckupFinding(True, "compilers", {"version": found.version, "path": path})


def _kernels(settings: Settings) -> CheckupFinding:
    if engine_device(settings) == "cpu":
        return CheckupFinding(True, "not_compiled")
    card = engine_card(settings.engine_args)
    capability = card.capability if card else None
    try:
        trial.compile_kernel(capability)
    except trial.TrialError as error:
        return CheckupFinding(False, "kernel_failed", {"line": error})
    if capability is None:
        return CheckupFinding(True, "kernel_of_any")
    return CheckupFinding(True, "kernel", {"capability": ".".join(map(str, capability))})


def _elsewhere(settings: Settings) -> CheckupFinding:
    """Raises EngineError with what to do about it."""
    address = address_of(with_choices(settings))
    if address is None:
        return CheckupFinding(True, "elsewhere_none")
    status = asyncio.run(_connected(address, settings.data_dir))
    version = status.elsewhere.version if status.elsewhere else ""
    values = {"host": address.host, "model": status.pair_name, "version": version}
    return CheckupFinding(True, "elsewhere" if status.switch else "elsewhere_unswitched", values)


async def _connected(address: Address, data_dir: Path) -> EngineStatus:
    async with connected(address, data_dir) as engine:
        return engine.status()


CHECKS: dict[str, Callable[[Settings], CheckupFinding]] = {
    "machine": _machine,
    "driver": _driver,
    "python": _python,
    "installed": _installed,
    "versions": _versions,
    "compilers": _compilers,
    "kernels": _kernels,
    "disk": _disk,
    "data_dir": _data_dir,
    "pair": _pair,
    "port": _port,
    "hooks": _hooks,
    "elsewhere": _elsewhere,
}


def _is_ours(settings: Settings, port: int) -> bool:
    """Whether the app that runs on this data directory is who holds the port."""
    try:
        record = json.loads(locations.app_record(settings.data_dir).read_text("utf-8"))
        return f":{port}" in record["url"] and psutil.pid_exists(record["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())
