"""Which engine runs for which app, on disk beside its log: so that ``ask`` finds it, and
so that an app knows it. Processes are known by pid and start time, since a pid alone may
have been given away again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> Process:
        """Raises psutil.NoSuchProcess."""
        return cls(pid, psutil.Process(pid).create_time())

    def lives(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and abs(process.create_time() - self.created) < 1.0
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True)
class Pidfile:
    """``engine`` leads a process group of its own."""

    app: Process
    reaper: Process
    engine: Process
    address: str
    api_key: str
    pair_name: str
    speculation: bool

    def write(self, log_path: Path) -> None:
        path = record_path(log_path)
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file)
        part.replace(path)

    @classmethod
    def read(cls, log_path: Path) -> Pidfile | None:
        """None when there is none, or none that can be understood."""
        try:
            told = json.loads(record_path(log_path).read_text("utf-8"))
            processes = {name: Process(**told.pop(name)) for name in ("app", "reaper", "engine")}
            return cls(**{**told, **processes})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def record_path(log_path: Path) -> Path:
    return log_path.with_suffix(".json")


def forget(log_path: Path) -> None:
    record_path(log_path).unlink(missing_ok=True)
