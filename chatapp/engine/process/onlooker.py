"""How far an engine's start is that another process of ours supervises, from its log and
from its processes."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from chatapp.domain import EngineState, EngineStatus
from chatapp.engine.process.engine_process import processes_of
from chatapp.engine.process.loading import PHASES, Loading
from chatapp.engine.process.logfile import LogTail
from chatapp.engine.process.pidfile import Pidfile
from chatapp.engine.process.timeline import Timeline


class Onlooker:
    def __init__(self, record: Pidfile, log_path: Path) -> None:
        self._record = record
        self._log = LogTail(log_path) if log_path.exists() else None
        target, draft = _folders(record.engine.pid)
        self._timeline = Timeline(draft is not None, kernels=False)
        self._loading = Loading(target, draft)

    def status(self) -> EngineStatus:
        now = time.monotonic()
        for line in self._log.read() if self._log else ():
            self._timeline.read(line, now)
        phase, pid = self._timeline.current, processes_of(self._record.engine.pid).get("scheduler")
        if phase in PHASES and pid is not None:
            self._timeline.advance(phase, self._loading.look(phase, pid, now))
        timeline = self._timeline.phases()
        return EngineStatus(EngineState.STARTING, self._record.pair_name, timeline=timeline)

    def close(self) -> None:
        if self._log:
            self._log.close()


def _folders(pid: int) -> tuple[Path, Path | None]:
    """Of the target and the draft, if it has one, as its command line says."""
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        command = []
    told = dict(zip(command, command[1:], strict=False))
    target, draft = told.get("--model-path"), told.get("--speculative-draft-model-path")
    return Path(target or "/nonexistent"), Path(draft) if draft else None
