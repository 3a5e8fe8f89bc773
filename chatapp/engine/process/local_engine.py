"""The engine as the app sees it: start, ready, stop, start again, and how it is now.

A thread of its own supervises it: reads the log, warms it up, notices within half a
second when one of its processes is gone, and ends it when it hangs. So ``status`` is cheap
and no event loop is needed to keep it true.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil

from chatapp.domain import EngineState, EngineStatus, Pair
from chatapp.engine.activity import Activity
from chatapp.engine.client import EngineClient
from chatapp.engine.command import Device, dtype_on
from chatapp.engine.diagnosis import PORT_TAKEN, diagnose
from chatapp.engine.process.engine_process import EngineProcess
from chatapp.engine.process.hang import HANG_S, HangWatch, worked_s
from chatapp.engine.process.loading import PHASES, Loading
from chatapp.engine.process.pidfile import Pidfile, Process, forget
from chatapp.engine.process.timeline import Timeline
from chatapp.engine.process.warmup import read_switch, warm_up
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import EngineError

_POLL_S = 0.2
_PORT_ATTEMPTS = 3
_TAIL_SHOWN = 40
_log = logging.getLogger(__name__)

_AT_REST = (EngineState.STOPPED, EngineState.FAILED)


class LocalEngine:
    """One engine at a time for ``pair`` on ``device``; its log is ``log_path``."""

    def __init__(
        self,
        pair: Pair,
        device: Device,
        log_path: Path,
        extra_args: Sequence[str] = (),
        speculation: bool = True,
        hang_s: float = HANG_S,
    ) -> None:
        self._pair, self._device, self._log_path = pair, device, log_path
        self._extra, self._speculation = tuple(extra_args), speculation
        self._launched: EngineProcess | None = None
        self._prompt: ChatPrompt | None = None
        self._timeline = self._fresh_timeline()
        self._loading = Loading(pair.target, pair.draft)
        self._activity, self._hang_s = Activity(), hang_s
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._pids: dict[str, int] = {}
        self._started = 0.0
        self._stop_asked = threading.Event()
        self._status = EngineStatus(
            EngineState.STOPPED,
            pair.name,
            tree=pair.tree if speculation else None,
            drafter=pair.drafter if speculation else None,
            dtype=dtype_on(device, pair),
            device=device,
            simulated_accept_length=_simulated(),
        )

    async def start(self) -> None:
        """Returns when the process is there, or at once when it runs already."""
        await asyncio.to_thread(self._start)

    async def ready(self, timeout: float | None = None) -> None:
        """Returns when a generation has succeeded. Raises EngineError when it failed, was
        stopped, or did not get there in ``timeout`` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self._status).state is not EngineState.READY:
            if status.state is EngineState.FAILED:
                raise EngineError(status.failure or "engine_failed", **status.failure_values)
            if status.state is not EngineState.STARTING:
                raise EngineError("engine_not_running")
            if deadline is not None and time.monotonic() >= deadline:
                raise EngineError("engine_slow", seconds=round(timeout or 0))
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Returns when no process of it is left."""
        await asyncio.to_thread(self._stop)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    def status(self) -> EngineStatus:
        status, launched = self._status, self._launched
        if status.state is EngineState.STARTING:
            elapsed = time.monotonic() - self._started
            status = replace(status, elapsed_s=elapsed, timeline=self._timeline.phases())
        tail = launched.log.lines()[-_TAIL_SHOWN:] if launched else ()
        return replace(status, log_tail=tail)

    def pids(self) -> dict[str, int]:
        """Name → pid of the engine's processes: main, scheduler, detokenizer."""
        return dict(self._pids)

    @property
    def client(self) -> EngineClient:
        """Of the engine that runs now. Raises EngineError when none does."""
        launched = self._launched
        if launched is None or self._status.state in _AT_REST:
            raise EngineError("engine_not_running")
        return EngineClient(launched.address, launched.api_key, self._activity)

    @property
    def api_key(self) -> str:
        """The key that other clients need for ``status().address``."""
        return self._launched.api_key if self._launched else ""

    def prompt(self) -> ChatPrompt:
        """Reads the target's files once. Raises PairError."""
        self._prompt = self._prompt or ChatPrompt.of(self._pair)
        return self._prompt

    def _start(self) -> None:
        with self._lock:
            if self._status.state not in _AT_REST:
                return
            if self._thread is not None:
                self._thread.join()
            self._stop_asked.clear()
            if not self._launch():
                return
            self._thread = threading.Thread(target=self._supervise, name="engine", daemon=True)
            self._thread.start()

    def _stop(self) -> None:
        with self._lock:
            thread, launched = self._thread, self._launched
            if thread is None or launched is None:
                self._set(EngineState.STOPPED, failure=None, failure_values={})
                return
            self._stop_asked.set()
            if self._status.state not in _AT_REST:
                self._set(EngineState.STOPPING)
            launched.end()
            thread.join()
            self._set(EngineState.STOPPED, failure=None, failure_values={}, pid=None)

    def _launch(self) -> bool:
        """False when there is no process; the status says why then."""
        self._timeline = self._fresh_timeline()
        self._loading = Loading(self._pair.target, self._pair.draft)
        self._started = time.monotonic()
        try:
            launched = EngineProcess(
                self._pair,
                self._device,
                self._log_path,
                speculation=self._speculation,
                extra=self._extra,
            )
        except OSError as error:
            self._fail("engine_cannot_start", {"reason": str(error)})
            return False
        self._launched = launched
        self._write_record(launched)
        self._set(
            EngineState.STARTING,
            address=launched.address,
            pid=launched.pid,
            failure=None,
            failure_values={},
            switch=False,
            switch_reason=None,
        )
        return True

    def _fresh_timeline(self) -> Timeline:
        draft = self._speculation and self._pair.draft is not None
        return Timeline(draft, kernels=self._device == "cuda")

    def _supervise(self) -> None:
        for attempts_left in reversed(range(_PORT_ATTEMPTS)):
            launched = self._launched
            assert launched is not None
            cause = self._watch(launched)
            again = self._wants_another_port(cause) and attempts_left > 0
            if not (again or self._stop_asked.is_set()):
                self._fail(*cause)
            self._end(launched)
            if not again or self._stop_asked.is_set():
                return
            _log.info("port %d was taken meanwhile; trying another", launched.port)
            if not self._launch():
                return

    def _watch(self, launched: EngineProcess) -> tuple[str, dict[str, str]]:
        """Until its main process has ended or it cannot go on without one of its children
        or its port, or hangs; says why."""
        hang = HangWatch(self._activity, partial(worked_s, launched.reaper_pid), self._hang_s)
        while not launched.ended():
            lines = self._read_log(launched)
            hang.read(lines)
            if self._child_gone() or any(PORT_TAKEN in line for line in lines):
                return diagnose(launched.log.lines(), None)
            if self._status.state is EngineState.STARTING:
                self._pids = launched.processes()
                self._look_at_loading()
                self._try_warm_up(launched)
            elif hang.hangs():
                return "engine_hangs", {"seconds": f"{self._hang_s:g}"}
            if self._stop_asked.wait(_POLL_S):
                time.sleep(0.02)
        self._read_log(launched)
        return diagnose(launched.log.lines(), launched.exit_code)

    def _end(self, launched: EngineProcess) -> None:
        """Returns when nothing of it is left."""
        launched.end()
        while not launched.ended():
            time.sleep(0.02)
        self._read_log(launched)
        self._pids = {}
        launched.close()
        forget(self._log_path)

    def _wants_another_port(self, cause: tuple[str, dict[str, str]]) -> bool:
        return cause[0] == "engine_port_taken" and self._status.state is EngineState.STARTING

    def _read_log(self, launched: EngineProcess) -> list[str]:
        """The lines that are new."""
        at = time.monotonic() - self._started
        lines = launched.log.read()
        for line in lines:
            self._timeline.read(line, at)
        return lines

    def _look_at_loading(self) -> None:
        phase, pid = self._timeline.current, self._pids.get("scheduler")
        if phase in PHASES and pid is not None:
            self._timeline.advance(phase, self._loading.look(phase, pid, time.monotonic()))

    def _child_gone(self) -> bool:
        if self._stop_asked.is_set():
            return False
        return not all(_lives(pid) for pid in self._pids.values())

    def _try_warm_up(self, launched: EngineProcess) -> None:
        if not self._timeline.listening:
            return
        try:
            warm_up(launched.address, launched.api_key, self._speculation)
        except httpx.HTTPError:
            return  # not listening yet, or about to end; the next round knows more
        switch = read_switch(launched.address, launched.api_key, self._speculation)
        self._timeline.reach("ready", time.monotonic() - self._started)
        if self._stop_asked.is_set():
            return
        self._pids = launched.processes()
        self._set(
            EngineState.READY,
            elapsed_s=time.monotonic() - self._started,
            timeline=self._timeline.phases(),
            switch=switch.available,
            switch_reason=switch.reason,
        )

    def _fail(self, key: str, values: dict[str, str]) -> None:
        _log.error("the engine failed: %s %s", key, values)
        self._set(
            EngineState.FAILED,
            failure=key,
            failure_values=values,
            timeline=self._timeline.phases(),
            elapsed_s=time.monotonic() - self._started,
            pid=None,
        )

    def _set(self, state: EngineState, **fields: Any) -> None:
        self._status = replace(self._status, state=state, **fields)

    def _write_record(self, launched: EngineProcess) -> None:
        try:
            record = Pidfile(
                app=Process.of(os.getpid()),
                reaper=Process.of(launched.reaper_pid),
                engine=Process.of(launched.pid or launched.reaper_pid),
                address=launched.address,
                api_key=launched.api_key,
                pair_name=self._pair.name,
                speculation=self._speculation,
            )
            record.write(self._log_path)
        except (OSError, psutil.Error) as error:
            _log.warning("the engine's record could not be written: %s", error)


def attach(log_path: Path) -> tuple[Pidfile, EngineClient] | None:
    """The engine of an app that runs on this data directory, if there is one."""
    record = Pidfile.read(log_path)
    if record is None or not (record.app.lives() and record.engine.lives()):
        return None
    return record, EngineClient(record.address, record.api_key)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _simulated() -> float | None:
    """SGLang's own variable for acceptance that is made up, so that we can say so."""
    try:
        return float(os.environ["SGLANG_SIMULATE_ACC_LEN"])
    except (KeyError, ValueError):
        return None
