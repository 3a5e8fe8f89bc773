"""What ``nvidia-smi`` says of a card: a second witness, read apart from NVML.

A value that it does not tell (``[N/A]``, ``[Not Supported]``) is None and costs nothing
but itself: under WSL2 and in containers that is usual for the memory of processes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

from chatapp.units import MIB

_WSL = "/usr/lib/wsl/lib"
_TIMEOUT_S = 20
_FORMAT = "--format=csv,noheader,nounits"
_CARD = ("memory.used", "memory.free", "memory.reserved", "memory.total")


@dataclass(frozen=True, slots=True)
class SmiMemory:
    """Bytes; None where it does not tell. ``processes``: pid → bytes, of those it tells."""

    used: int | None
    free: int | None
    reserved: int | None
    total: int | None
    processes: dict[int, int]

    def held_by(self, pids: Collection[int]) -> int | None:
        """By those of ``pids`` that it names; None when it names none."""
        held = [size for pid, size in self.processes.items() if pid in pids]
        return sum(held) if held else None


def smi_memory(card: str) -> SmiMemory:
    """Of the card with this UUID. Raises OSError or SubprocessError where there is no
    ``nvidia-smi`` or it fails."""
    sizes = sizes_told(_ask(card, "--query-gpu=" + ",".join(_CARD)))
    processes = processes_told(_ask(card, "--query-compute-apps=pid,used_memory"))
    return SmiMemory(*sizes, processes=processes)


def sizes_told(output: str) -> list[int | None]:
    """Bytes from the first line, one for each of the card's fields."""
    fields = (output.strip().splitlines() or [""])[0].split(",")
    told = [_bytes(field) for field in fields]
    return (told + [None] * len(_CARD))[: len(_CARD)]


def processes_told(output: str) -> dict[int, int]:
    """pid → bytes; who is named without a size is left out."""
    found = {}
    for line in output.splitlines():
        pid, _, field = line.partition(",")
        size = _bytes(field)
        if pid.strip().isdecimal() and size is not None:
            found[int(pid)] = size
    return found


def _bytes(field: str) -> int | None:
    told = re.fullmatch(r"\s*(\d+)\s*", field)
    return int(told[1]) * MIB if told else None


def _ask(card: str, query: str) -> str:
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), _WSL))
    program = shutil.which("nvidia-smi", path=search) or "nvidia-smi"
    command = [program, "-i", card, query, _FORMAT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    return done.stdout
