"""``check``: what takes seconds and must hold before a test is worth running.

Each gate is a tool whose rules stand in ``pyproject.toml``. They run side by side; each
gives one line, and under it what it found and what to do.
"""

from __future__ import annotations

import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chatapp import locations
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language


@dataclass(frozen=True, slots=True)
class Gate:
    """``name`` stands in the catalogues, under ``check.names`` and ``check.cures``; ``command``
    begins with a program of the virtual environment."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateOutcome:
    passed: bool
    seconds: float
    found: str


GATES = (
    Gate("lint", ("ruff", "check", "--quiet")),
    Gate("format", ("ruff", "format", "--check")),
    Gate("imports", ("lint-imports", "--no-logo", "--cache-dir", ".work/imports")),
    Gate("types", ("mypy", "--no-color-output")),
)


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())
    if not passes(texts, print):
        return 1
    print(texts("check.good"))
    return 0


def passes(texts: Texts, say: Callable[[str], None], gates: Sequence[Gate] = GATES) -> bool:
    """Whether nothing is found at any gate; ``say`` takes a line of each as it ends."""
    with ThreadPoolExecutor() as pool:
        outcomes = zip(gates, pool.map(_run, gates), strict=True)
        return all([_show(gate, outcome, texts, say) for gate, outcome in outcomes])


def _run(gate: Gate) -> GateOutcome:
    program, *options = gate.command
    command = [str(Path(sys.executable).with_name(program)), *options]
    began = time.monotonic()
    try:
        done = subprocess.run(command, cwd=locations.project(), capture_output=True, text=True)
    except OSError as error:
        return GateOutcome(False, 0.0, str(error))
    return GateOutcome(not done.returncode, time.monotonic() - began, done.stdout + done.stderr)


def _show(gate: Gate, outcome: GateOutcome, texts: Texts, say: Callable[[str], None]) -> bool:
    name = texts(f"check.names.{gate.name}")
    say(f"{'✓' if outcome.passed else '✗'} {name} ({outcome.seconds:.1f} s)")
    if not outcome.passed:
        say(outcome.found.strip())
        say(f"  → {texts(f'check.cures.{gate.name}')}")
    return outcome.passed
