"""One engine process tree below its reaper: started, listened to, told to end."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from chatapp.domain import Pair
from chatapp.engine.command import Device, engine_command, engine_environment
from chatapp.engine.process import reaper
from chatapp.engine.process.key_file import with_key_file
from chatapp.engine.process.logfile import LogTail, rotate
from chatapp.engine.process.orphans import mark
from chatapp.kernels.first import before_engine

_TITLES = ("scheduler", "detokenizer")


class EngineProcess:
    """Starting it returns as soon as the process is there."""

    def __init__(
        self,
        pair: Pair,
        device: Device,
        log_path: Path,
        *,
        speculation: bool,
        extra: Sequence[str],
    ) -> None:
        self.port = free_port()
        self.api_key = new_key()
        command = engine_command(
            pair, device, self.port, self.api_key, speculation=speculation, extra=extra
        )
        self._key_file = log_path.with_suffix(".yaml")
        command = with_key_file(command, self._key_file)
        if device == "cuda":
            command = before_engine(command)
        reader, writer = os.pipe()
        try:
            with rotate(log_path) as log:
                self._reaper = subprocess.Popen(
                    [sys.executable, "-I", "-S", reaper.__file__, str(writer), *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    pass_fds=(writer,),
                    env=engine_environment(device) | mark(),
                    start_new_session=True,
                )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._reports = os.fdopen(reader, "r")
        self.log = LogTail(log_path)
        self.pid = self._report().get("engine")
        self.exit_code: int | None = None
        os.set_blocking(self._reports.fileno(), False)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def reaper_pid(self) -> int:
        return self._reaper.pid

    def ended(self) -> bool:
        """Whether nothing of it is left; ``exit_code`` is known then."""
        if self.exit_code is None and self._reaper.poll() is not None:
            self.exit_code = self._report().get("exit", self._reaper.returncode)
        return self.exit_code is not None

    def end(self) -> None:
        """Tell the reaper; does not wait. Harmless when it has ended already."""
        assert self._reaper.stdin is not None
        try:
            self._reaper.stdin.close()
        except BrokenPipeError:
            pass

    def close(self) -> None:
        self.end()
        self._reaper.wait()
        self._reports.close()
        self._key_file.unlink(missing_ok=True)
        self.log.close()

    def processes(self) -> dict[str, int]:
        """Name → pid of what SGLang has started so far."""
        if self.pid is None or self.exit_code is not None:
            return {}
        return processes_of(self.pid)

    def _report(self) -> dict[str, int]:
        try:
            line = self._reports.readline()
        except OSError:
            return {}
        return json.loads(line) if line else {}


def processes_of(main: int) -> dict[str, int]:
    """Name → pid of the engine whose main process is ``main``."""
    found = {"main": main}
    try:
        for child in psutil.Process(main).children(recursive=True):
            found |= {title: child.pid for title in _TITLES if _is(child, title)}
    except psutil.Error:
        pass
    return found


def new_key() -> str:
    """192 random bits. Hexadecimal: a key must not begin with a dash, like a flag."""
    return secrets.token_hex(24)


def free_port() -> int:
    """A port that was free a moment ago; whoever uses it must bear that it no longer is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is(process: psutil.Process, title: str) -> bool:
    try:
        return f"sglang::{title}" in " ".join(process.cmdline())
    except psutil.Error:
        return False
