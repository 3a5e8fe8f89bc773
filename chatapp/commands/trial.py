"""Compiles and links a kernel of a few lines, with what the engine would use for its own."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from chatapp.engine.command import engine_environment
from chatapp.engine.diagnosis import diagnose
from chatapp.errors import EngineError
from chatapp.locations import cuda_home

# A header of CCCL, which refuses an nvcc of another release, and both libraries.
_KERNEL = """
#include <cuda/std/cstdint>
#include <cuda.h>
#include <cuda_runtime.h>
__global__ void count(cuda::std::int32_t* number) { ++*number; }
extern "C" int trial(cuda::std::int32_t* number) {
  count<<<1, 1>>>(number);
  return cudaGetLastError() + cuInit(0);
}
"""
_TIMEOUT_S = 120


class TrialError(Exception):
    """The compiler failed in a way that has no words of its own; with what it said."""


def compile_kernel(capability: tuple[int, int] | None, prefix: Path = Path(sys.prefix)) -> None:
    """For cards of ``capability``, such as (8, 9), or the oldest that nvcc knows. Raises
    EngineError with the same words that an engine would fail with, or TrialError."""
    home = cuda_home(prefix)
    digits = "".join(map(str, capability or ()))
    target = [f"-gencode=arch=compute_{digits},code=sm_{digits}"] if digits else []
    libraries = [f"-L{home}/lib64", f"-L{home}/lib64/stubs", "-lcuda", "-lcudart"]
    with tempfile.TemporaryDirectory() as folder:
        source, part = Path(folder, "trial.cu"), Path(folder, "trial.o")
        source.write_text(_KERNEL)
        nvcc = [str(home / "bin" / "nvcc"), *target, "-std=c++20", "-Xcompiler", "-fPIC"]
        _run([*nvcc, "-c", str(source), "-o", str(part)], prefix)
        _run(["c++", "-shared", str(part), *libraries, "-o", f"{folder}/trial.so"], prefix)


def _run(command: list[str], prefix: Path) -> None:
    """Through a shell, as ninja does it, so that what is missing reads as it does there."""
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@"', "sh", *command],
        env={**engine_environment("cuda", prefix=prefix), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if not done.returncode:
        return
    said = (done.stdout + done.stderr).strip().splitlines()
    key, values = diagnose(said, done.returncode)
    if key in ("engine_failed", "engine_ended"):
        errors = [line for line in said if "error" in line]
        raise TrialError((errors or said or [str(done.returncode)])[0][:300])
    raise EngineError(key, **values)
