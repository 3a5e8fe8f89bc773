"""Runs pip inside ``.venv``, shows what it does, and says why it failed."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatapp.children import die_with_parent
from chatapp.errors import LaunchError
from chatapp.launch.progress_display import ProgressDisplay

_UNWANTED = ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_ROOT")
_DETAILS = (
    (re.compile(r"^Collecting ([\w.\-]+)"), "collecting"),
    (re.compile(r"^\s+Downloading (?:\S*/)?([\w.]+)-\S+ \((.+?)\)"), "downloading"),
    (re.compile(r"^Requirement already satisfied: ([\w.\-]+)"), "have"),
    (re.compile(r"^Installing collected packages: (.+)"), "installing"),
    (re.compile(r"^· (.+)"), "kernels"),
)
# First match wins; what pip says, and the key of the words for it.
_CAUSES = (
    (r"No space left on device", "launch_disk_full"),
    (r"Permission denied|Read-only file system", "launch_permission"),
    (r"CERTIFICATE_VERIFY_FAILED", "launch_certificate"),
    (r"Missing dependencies for SOCKS support", "launch_socks"),
    (r"DO NOT MATCH THE HASHES|BadZipFile|IncompleteRead", "launch_damaged"),
    (r"Failed to establish|NewConnectionError|Name or service|timed out|ProxyError"
     r"|Connection (?:refused|reset|aborted)|Network is unreachable", "launch_network"),
    (r"No matching distribution found for ([^\s(]+)", "launch_not_offered"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pip:
    """pip of one virtual environment. Ends with us, even when we are killed."""

    python: Path
    log: Path
    temporary: Path
    progress: ProgressDisplay
    lock: int | None = None

    def install(self, *arguments: str) -> None:
        """Raises LaunchError with the cause that pip gives."""
        code, lines = self.try_install(*arguments)
        if code:
            raise _error(lines, self.log)

    def try_install(self, *arguments: str) -> tuple[int, list[str]]:
        """The exit code and the last lines that pip wrote."""
        options = ("--no-input", "--progress-bar", "off", "--disable-pip-version-check")
        return self.run([str(self.python), "-m", "pip", "install", *options, *arguments])

    def run(self, command: Sequence[str]) -> tuple[int, list[str]]:
        self.temporary.mkdir(parents=True, exist_ok=True)
        before, expected = self._installed(), 0
        tail: list[str] = []
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"\n$ {' '.join(command)}\n")
            process = self._start(command)
            try:
                for line in _lines(process):
                    if not line:
                        self._count(before, expected)
                        continue
                    log.write(line)
                    log.flush()
                    tail = [*tail[-200:], line.rstrip()]
                    expected = self.show(line) or expected
            finally:
                if process.poll() is None:
                    process.terminate()
                process.wait()
        return process.returncode, tail

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if k not in _UNWANTED}
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"},
            pass_fds=() if self.lock is None else (self.lock,),
            preexec_fn=die_with_parent,
        )

    def show(self, line: str) -> int:
        """Shows a line that tells something; the number of packages that will be unpacked."""
        for pattern, key in _DETAILS:
            if found := pattern.match(line):
                name, size = (*found.groups(), "")[:2]
                count = name.count(",") + 1 if key == "installing" else 0
                self.progress.detail(key, name=name, size=size, count=count)
                return count
        return 0

    def _count(self, before: int, expected: int) -> None:
        """While pip unpacks it is silent: count what appears."""
        done = self._installed() - before
        if expected and done > 0:
            self.progress.detail("unpacked", count=min(done, expected), total=expected)
        else:
            self.progress.tick()

    def _installed(self) -> int:
        venv = self.python.parent.parent
        return sum(1 for _ in venv.glob("lib/python*/site-packages/*.dist-info"))


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """The output line by line; an empty text now and then, so that time can be shown."""
    pending, output = b"", process.stdout
    assert output is not None  # it was started with a pipe
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            if not selector.select(timeout=0.3):
                yield ""
                continue
            block = os.read(output.fileno(), 65536)
            *lines, pending = (pending + block).split(b"\n")
            yield from (line.decode("utf-8", "replace") + "\n" for line in lines)
            if not block:
                if pending:
                    yield pending.decode("utf-8", "replace")
                return


def _error(lines: Sequence[str], log: Path) -> LaunchError:
    text = "\n".join(lines)
    for pattern, key in _CAUSES:
        if found := re.search(pattern, text):
            name = found.group(1) if found.groups() else ""
            return LaunchError(key, name=name, log=log)
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), "ERROR: ?")
    return LaunchError("launch_pip", reason=last.partition(":")[2].strip(), log=log)
