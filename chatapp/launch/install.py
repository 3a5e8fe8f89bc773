"""Makes ``.venv`` and fills it, step by step; what is already there is not done again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chatapp import locations
from chatapp.errors import LaunchError
from chatapp.host import stamp
from chatapp.host.machine import base_python, free_bytes
from chatapp.launch import cuda_home, network
from chatapp.launch.pip import Pip
from chatapp.launch.progress_display import ProgressDisplay
from chatapp.launch.repair import remove_broken
from chatapp.texts import Texts

PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# What an install takes on the disk at its height, with the files that pip downloads.
NEEDED_BYTES = {"cpu": 5 * 10**9, "plain torch": 10 * 10**9, "cuda": 22 * 10**9}
# Prints the version, and fails where Debian has split off what makes environments.
_CAN_MAKE_ONE = (
    "import sys, importlib.util as u; print('%d.%d' % sys.version_info[:2]); "
    "sys.exit(u.find_spec('ensurepip') is None)"
)


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """Which sets are wanted: ``cpu`` or ``cuda``, and the tests' beside it. ``arch``: which
    cards to build kernels for; empty: for the one that is here."""

    engine: str
    tests: bool
    arch: str = ""

    @property
    def sets(self) -> tuple[str, ...]:
        return (self.engine, "test") if self.tests else (self.engine,)

    def is_done(self) -> bool:
        return all(stamp.is_current(name) for name in self.sets)


def install(plan: InstallPlan, texts: Texts, lock: int | None = None) -> None:
    """Brings ``.venv`` to the plan, or raises LaunchError; can be called again any time."""
    steps = _steps(plan)
    progress = ProgressDisplay(texts, len(steps))
    progress.note("begin", engine=plan.engine, place=locations.venv())
    pip = Pip(stamp.python(), log(), locations.launcher_work() / "tmp", progress, lock)
    for name in plan.sets:
        stamp.remove(name)
    for name, work in steps:
        with progress.step(name, set=plan.engine):
            work(pip, plan)
    for name in plan.sets:
        stamp.write(name)
    shutil.rmtree(pip.temporary, ignore_errors=True)
    progress.note("end")


def log() -> Path:
    return locations.launcher_work() / "install.log"


def _steps(plan: InstallPlan) -> list[tuple[str, Callable[[Pip, InstallPlan], None]]]:
    steps = [("disk", _disk), ("venv", _venv), ("network", _network)]
    if plan.engine == "cpu":
        steps.append(("torch", _torch))
    steps.append(("packages", _packages))
    if plan.engine == "cuda":
        steps.append(("cuda_home", _cuda_home))
    steps.append(("project", _project))
    if plan.tests:
        steps.append(("tests", _tests))
    if plan.engine == "cuda":
        steps.append(("kernels", _kernels))
    return [*steps, ("check", _check)]


def _disk(pip: Pip, plan: InstallPlan) -> None:
    _need_room_for(plan.engine)


def _need_room_for(what: str) -> None:
    """Raises LaunchError when what is not there yet does not fit on the disk."""
    free, needed = free_bytes(locations.project()), NEEDED_BYTES[what]
    if free >= needed:
        return
    have = sum(f.lstat().st_size for f in locations.venv().rglob("*") if not f.is_dir())
    needed = max(needed - have, 10**9)
    if free < needed:
        values = {"needed": f"{needed / 1e9:.1f}", "free": f"{free / 1e9:.1f}"}
        raise LaunchError("launch_disk", **values, place=locations.project())


def _venv(pip: Pip, plan: InstallPlan) -> None:
    if _works(pip):
        for name in remove_broken(locations.venv()):
            pip.progress.detail("repaired", name=name)
        return
    base = base_python()
    code, lines = pip.run([base, "-c", _CAN_MAKE_ONE])
    if code:
        raise LaunchError("launch_ensurepip", version=lines[-1])
    shutil.rmtree(locations.venv(), ignore_errors=True)
    code, lines = pip.run([base, "-m", "venv", str(locations.venv())])
    if code:
        raise LaunchError("launch_venv", reason=" ".join(lines[-2:]), log=pip.log)


def _works(pip: Pip) -> bool:
    """Whether the interpreter is there, sees this place, and has pip."""
    try:
        return pip.run([str(pip.python), "-m", "pip", "--version"])[0] == 0
    except OSError:
        return False


def _network(pip: Pip, plan: InstallPlan) -> None:
    found = network.sources(pip.python)
    if network.answers(found.index):
        pip.progress.detail("reached", name=found.host)
    elif found.others:
        pip.progress.note("index_silent", name=found.host)
    else:
        raise LaunchError("launch_network", log=pip.log, name=found.host)


def _torch(pip: Pip, plan: InstallPlan) -> None:
    """A CPU build where one is offered; else the plain one with all that it needs."""
    pin = next(line for line in stamp.requirement_files("cpu")[0].read_text().splitlines()
               if re.match(r"torch==", line))  # fmt: skip
    cpu_build = ["--no-deps", f"{pin}+cpu"]
    elsewhere = ["--index-url", PYTORCH_CPU_INDEX, "--timeout", "10", "--retries", "1"]
    for arguments in (cpu_build, [*cpu_build, *elsewhere]):
        code, lines = pip.try_install(*arguments)
        if code == 0:
            return
        if any("No space left" in line for line in lines):
            break
    pip.progress.note("plain_torch")
    _need_room_for("plain torch")
    pip.install(pin)


def _packages(pip: Pip, plan: InstallPlan) -> None:
    pip.install("--no-deps", "-r", str(stamp.requirement_files(plan.engine)[0]))


def _cuda_home(pip: Pip, plan: InstallPlan) -> None:
    cuda_home.lay(locations.venv())


def _project(pip: Pip, plan: InstallPlan) -> None:
    pip.install("--no-deps", "--no-build-isolation", "-e", str(locations.project()))


def _kernels(pip: Pip, plan: InstallPlan) -> None:
    """A build that fails is tried again by the engine, which says why then."""
    command = [str(pip.python), "-P", "-m", "chatapp", "kernels", "build"]
    code, lines = pip.run([*command, *(["--arch", plan.arch] if plan.arch else [])])
    if code:
        pip.progress.note("no_kernels", reason=" ".join(lines[-1:]))


def _tests(pip: Pip, plan: InstallPlan) -> None:
    pip.install("--no-deps", "-r", str(stamp.requirement_files("test")[0]))


def _check(pip: Pip, plan: InstallPlan) -> None:
    command = [str(pip.python), "-P", "-m", "chatapp.launch.complete", *plan.sets]
    code, lines = pip.run(command)
    if code:
        raise LaunchError("launch_incomplete", reason=", ".join(lines[-5:]), log=pip.log)
