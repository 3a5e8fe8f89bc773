"""Finds out what an engine will want and compiles it: ``python -m chatapp.kernels.compile
ARCH -- COMMAND …``. Tells how far it is in lines of JSON on standard output.

    {"modules": ["sglang qknorm…", …]}       found out
    {"done": 3, "total": 9, "seconds_left": 42.0, "name": "…"}
    {"failed": "name", "reason": "…"}

With ``--only`` behind ARCH nothing is compiled.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import psutil

from chatapp.kernels.configs import small_command
from chatapp.kernels.recorder import Recorder, Wanted, listen

# What cicc and ptxas took at their height for FlashInfer's attention.
BYTES_A_COMPILER = 3 << 30


def main(argv: Sequence[str]) -> int:
    arch, *words = argv
    only = words[0] == "--only"
    command = words[words.index("--") + 1 :]
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what others print belongs into the log
    tell = Teller(out).tell
    recorder = find_out(_capability(arch), command)
    wanted = recorder.wanted
    tell(modules=[f"{one.by} {one.name}" for one in wanted])
    return 0 if only else compile_all([*wanted, _triton_driver()], tell)


class Teller:
    def __init__(self, out: Any) -> None:
        self._out = out

    def tell(self, **said: object) -> None:
        print(json.dumps(said), file=self._out, flush=True)


def find_out(capability: tuple[int, int], command: Sequence[str]) -> Recorder:
    from chatapp.kernels.card import pretend
    from chatapp.kernels.rehearsal import rehearse

    pretend(capability)
    recorder = listen(capability)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="eaglechat-kernels-") as folder:
        rehearse(small_command(command, Path(folder)))
    return recorder


def compile_all(wanted: Sequence[Wanted], tell: Any) -> int:
    """The large ones first, one after the other, each with all compilers that the memory
    bears; then the small ones side by side. 1 when one failed."""
    progress = _Progress(wanted, tell)
    compilers = _compilers()
    large = [one for one in wanted if one.files > 1]
    os.environ["MAX_JOBS"] = str(compilers)
    for one in large:
        progress.run(one)
    os.environ["MAX_JOBS"] = "1"
    with ThreadPoolExecutor(compilers) as pool:
        small = [pool.submit(progress.run, one) for one in wanted if one.files == 1]
        for done in as_completed(small):
            done.result()
    return 1 if progress.failed else 0


def _compilers() -> int:
    free = psutil.virtual_memory().available // BYTES_A_COMPILER
    return max(1, min(len(os.sched_getaffinity(0)), free))


class _Progress:
    """Time left goes by files: a module of attention has many."""

    def __init__(self, wanted: Sequence[Wanted], tell: Any) -> None:
        self._tell, self._total = tell, len(wanted)
        self._files, self._files_done = sum(one.files for one in wanted), 0
        self._done, self._began = 0, time.monotonic()
        self.failed = False
        tell(done=0, total=self._total, seconds_left=None, name="")

    def run(self, one: Wanted) -> None:
        try:
            one.compile()
        except Exception as error:  # noqa: BLE001
            self.failed = True
            self._tell(failed=one.name, reason=str(error)[-4000:])
            return
        self._done += 1
        self._files_done += one.files
        spent = time.monotonic() - self._began
        ahead = self._files - self._files_done
        left = round(spent / self._files_done * ahead, 1) if ahead else None
        self._tell(done=self._done, total=self._total, seconds_left=left, name=one.name)


def _triton_driver() -> Wanted:
    """Triton's own part that talks to the driver: C against ``Python.h`` and libcuda."""

    def build() -> None:
        from triton.backends.nvidia import driver
        from triton.runtime import build

        build.compile_so_from_file(
            os.path.join(driver.dirname, "driver.c"),
            name="cuda_utils",
            library_dirs=driver.library_dirs(),
            include_dirs=driver.include_dirs,
            libraries=driver.libraries,
        )

    return Wanted("cuda_utils", "triton", 1, build)


def _capability(arch: str) -> tuple[int, int]:
    major, _, minor = arch.partition(".")
    return int(major), int(minor)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the scheduler has left threads behind
