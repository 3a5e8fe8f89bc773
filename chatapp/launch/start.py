"""From ``python launcher.py …`` to ``python -m chatapp …`` inside ``.venv``.

When everything is installed this takes a glance at one stamp, no more. Standard
output stays empty: it belongs to the command that is handed over to.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import traceback
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from chatapp import locations
from chatapp.arguments import parse
from chatapp.errors import LaunchError, ProductError, error_words
from chatapp.host import machine, stamp, toolchain
from chatapp.launch.install import InstallPlan, install, log
from chatapp.launch.lock import only_one
from chatapp.launch.socks import bridged
from chatapp.proxies import settle
from chatapp.texts import Texts, system_language


def main(argv: Sequence[str]) -> NoReturn:
    """Hands over, or ends with 1 and a sentence that says what to do."""
    texts = Texts(system_language())
    arguments = parse(argv)
    settle(texts)
    try:
        machine.check_system()
        ensure(_plan(arguments, texts), texts)
        hand_over(argv)
    except ProductError as error:
        _say(error.words(texts))
        sys.exit(1)
    except OSError as error:
        _say(LaunchError("launch_system_error", reason=error).words(texts))
        sys.exit(1)
    except KeyboardInterrupt:
        _say("\n" + texts("launcher.interrupted"))
        sys.exit(130)
    except Exception as error:  # noqa: BLE001
        log().parent.mkdir(parents=True, exist_ok=True)
        with log().open("a", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
        _say(error_words(texts, "unforeseen", {"reason": repr(error), "log": str(log())}))
        sys.exit(1)


def _plan(arguments: Namespace, texts: Texts) -> InstallPlan:
    """Kernels for a card that is named are built on a machine without one as well."""
    arch = getattr(arguments, "arch", None)
    if arch and machine.nvidia_driver() is None:
        if not stamp.is_current("cuda") and (lacks := toolchain.find(_interpreter()).lacks):
            raise lacks
        return InstallPlan("cuda", tests=False, arch=arch)
    return InstallPlan(
        chosen_set(chosen_device(arguments), texts), arguments.command in ("check", "test")
    )


def ensure(plan: InstallPlan, texts: Texts) -> None:
    """Installs what the plan asks for, unless it is there; one launcher at a time."""
    if plan.is_done():
        return
    lock = locations.launcher_work() / "install.lock"
    with only_one(lock, lambda: _say(texts("launcher.waiting"))) as descriptor:
        if not plan.is_done():
            with bridged():
                install(plan, texts, descriptor)


def hand_over(argv: Sequence[str]) -> NoReturn:
    """Becomes the application. ``-P``: what lies in the current folder is not ours."""
    python = str(stamp.python())
    sys.stderr.flush()
    os.execve(python, [python, "-P", "-m", "chatapp", *argv], environment(os.environ))


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """``base`` without what would lead ``.venv`` astray."""
    return {name: base[name] for name in base if name not in ("PYTHONHOME", "PYTHONPATH")}


def chosen_device(arguments: Namespace) -> str:
    """As in ``Settings``, which cannot be imported yet: flag, environment, file."""
    chosen = getattr(arguments, "device", None) or os.environ.get("EAGLECHAT_DEVICE")
    if not chosen:
        with suppress(OSError, ValueError), locations.settings_file().open("rb") as file:
            chosen = tomllib.load(file).get("device")
    return chosen if chosen in ("cpu", "cuda") else "auto"


def chosen_set(device: str, texts: Texts) -> str:
    driver = None if device == "cpu" else machine.nvidia_driver()
    if device == "auto" and driver and not driver.new_enough:
        minimum = machine.MINIMUM_DRIVER
        _say(texts("launcher.old_driver", version=driver.version, minimum=minimum))
    wanted = machine.engine_set(device, driver)
    if wanted == "cuda" and not stamp.is_current("cuda"):
        lacks = toolchain.find(_interpreter()).lacks
        if lacks:
            _go_on_with_the_cpu(lacks, device, texts)
            return "cpu"
    return wanted


def _interpreter() -> str:
    """The Python that ``.venv`` is made of, or will be."""
    inside = str(stamp.python())
    works = os.access(inside, os.X_OK) and not subprocess.run([inside, "-c", ""]).returncode
    return inside if works else machine.base_python()


def _go_on_with_the_cpu(lacks: LaunchError, device: str, texts: Texts) -> None:
    """Returns where the person wants that, or has wanted it before; else raises ``lacks``
    or ends."""
    if device == "cuda":
        raise lacks
    if stamp.is_current("cpu"):
        _say(lacks.words(texts) + "\n" + texts("launcher.cpu_meanwhile"))
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise lacks
    _say(lacks.words(texts))
    if not _agrees(texts("launcher.ask_cpu")):
        sys.exit(1)


def _agrees(question: str) -> bool:
    print(question, end=" ", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return answer.strip().lower() in ("", "y", "yes", "是", "好") if answer else False


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
