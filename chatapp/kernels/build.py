"""Builds the kernels of an engine in a process of its own, and says how far that is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.children import die_with_parent
from chatapp.kernels import cache

# The rehearsal takes and gives back large blocks again and again.
_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(64 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
    "OMP_NUM_THREADS": "1",
}
_TAIL = 8000


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """``done`` of ``total`` modules are there; ``name`` was the last. ``seconds_left`` is
    None as long as none was compiled; ``total`` is 0 until it is known."""

    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    name: str = ""


class BuildError(Exception):
    """``reason`` is the end of what the compiler said; ``module`` what it was about, empty
    when the rehearsal did not find out what is wanted."""

    def __init__(self, module: str, reason: str) -> None:
        super().__init__(f"{module}: {reason}" if module else reason)
        self.module, self.reason = module, reason


def build(
    command: Sequence[str], arch: str, environment: Mapping[str, str]
) -> Iterator[BuildProgress]:
    """Builds what the engine of ``command`` wants on a card of ``arch``, such as 8.9, and
    what is there already not again. ``environment`` is the engine's. Raises BuildError."""
    if cache.is_built(command, arch):
        return
    yield BuildProgress()
    modules: list[str] = []
    for said in _said([arch, "--", *command], environment):
        if "failed" in said:
            raise BuildError(said["failed"], said["reason"])
        if "modules" in said:
            modules = said["modules"]
        else:
            yield BuildProgress(**said)
    cache.mark_built(command, arch, modules)


def log_path() -> Path:
    """What SGLang and the compilers said in the last build."""
    return locations.kernels() / "build.log"


def _said(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    log = log_path()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "chatapp.kernels.compile", *arguments],
            env={**environment, **_MEMORY},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            preexec_fn=die_with_parent,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            yield json.loads(line)
        if process.wait():
            raise BuildError("", log.read_text("utf-8", "replace")[-_TAIL:])
    finally:
        process.kill()
        process.communicate()
