"""Someone with an NVIDIA driver and nothing else, from the first line to the last: what is
missing is named before anything is fetched, the CPU is offered, and it goes on where it was.

The driver is a stand-in that NVML's functions are asked of; the compilers are the real ones,
put on PATH one by one; packages are tiny.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkout import WITHIN_S, Checkout, make_checkout, packaging, wheel
from tests.compilers import GCC, GPP, compiles

_DRIVER = """
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned size) {
  strncpy(version, "580.95.05", size);
  return 0;
}
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
"""
_TOOLKIT = ("bin/nvcc", "nvvm/bin/cicc", "lib/libcudart.so.13", "include/crt/math_functions.h")
pytestmark = compiles


@dataclass(frozen=True)
class Machine:
    """``tools`` is its whole PATH."""

    checkout: Checkout
    tools: Path

    def told(self, *arguments: str) -> str:
        """What the launcher says where it does not go on; nothing has been installed then."""
        began = time.monotonic()
        process = self.checkout.start(*arguments)
        out, said = process.communicate(timeout=WITHIN_S)
        assert (process.returncode, out) == (1, "") and time.monotonic() - began < 10
        assert "Traceback" not in said and not said.strip().count("\n")
        return said

    def on_a_terminal(self, answer: str) -> tuple[int, str]:
        """Exit code and all that a person sees who gives this answer to the question."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            self.checkout.command("doctor"),
            env=self.checkout.environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        seen = b"".join(_until_closed(ours))
        return process.wait(timeout=WITHIN_S), seen.decode()

    def installed(self) -> bool:
        return (self.checkout.root / ".venv").exists()


def _until_closed(terminal: int) -> Iterator[bytes]:
    with os.fdopen(terminal, "rb", buffering=0) as stream:
        try:
            while block := stream.read(65536):
                yield block
        except OSError:  # how Linux says that nobody is at the other end
            return


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("root", "wheels", "driver", "tools"):
        (tmp_path / name).mkdir()
    library = tmp_path / "driver" / "libnvidia-ml.so.1"
    making = [str(GCC), "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)]
    subprocess.run(making, input=_DRIVER, text=True, check=True)
    tools = tmp_path / "tools"
    for name in ("as", "ld"):  # what gcc calls
        (tools / name).symlink_to(str(shutil.which(name)))
    extra = {"PATH": str(tools), "LD_LIBRARY_PATH": str(library.parent)}
    places = (tmp_path / name for name in ("root", "wheels", "hold"))
    checkout = make_checkout(*places, device="auto", extra=extra)
    checkout.want("torch==2.13.0\nquick==1\n" + packaging(checkout.wheels))
    _toolkit(checkout.wheels)
    checkout.want("toolkit==1\nquick==1\npackaging==99\n", "cuda")
    return Machine(checkout, tools)


def _toolkit(wheels: Path) -> None:
    """A wheel that lies as NVIDIA's do."""
    wheel(wheels, "toolkit", "1", ("nvidia/cu13/include/cuda.h", ""))
    with zipfile.ZipFile(wheels / "toolkit-1-py3-none-any.whl", "a") as made:
        for name in _TOOLKIT:
            made.writestr(f"nvidia/cu13/{name}", "")


def _link(tools: Path, **programs: str) -> None:
    for name, real in programs.items():
        (tools / name).unlink(missing_ok=True)
        (tools / name).symlink_to(real)


def test_from_a_driver_and_nothing_else_to_the_cuda_set(machine: Machine) -> None:
    checkout, tools = machine.checkout, machine.tools

    # Nothing is there, and nobody can be asked.
    said = machine.told("doctor")
    assert "C++ compiler" in said and "--device cpu" in said
    assert machine.told("--device", "cuda", "doctor") == said
    assert not machine.installed()

    # On a terminal it is a question. No: nothing is done.
    code, seen = machine.on_a_terminal("n")
    assert code == 1 and "Use the CPU meanwhile?" in seen and "Installing" not in seen
    assert not machine.installed()

    # Yes: the CPU set, and on to the application.
    code, seen = machine.on_a_terminal("")
    assert code == 0, seen
    assert "Installing EagleChat (cpu)" in seen and '"argv"' in seen

    # Nobody is asked twice.
    handed, said = checkout.run("doctor")
    assert handed["argv"][-1] == "doctor" and "on the CPU" not in json.dumps(handed)
    assert "C++ compiler" in said and "Using the CPU meanwhile" in said
    assert "Installing" not in said

    # A compiler, and no Python.h: the directory that it lies in is not looked into.
    hidden = tools / "gcc"
    dropping = 'for a; do shift; case $a in -I*) ;; *) set -- "$@" "$a";; esac; done'
    hidden.write_text(f'#!/bin/sh\n{dropping}\nexec {GCC} "$@"\n')
    hidden.chmod(0o755)
    (tools / "g++").symlink_to(str(GPP))
    _, said = checkout.run("doctor")
    assert "Python.h" in said and "C++ compiler" not in said and "meanwhile" in said

    # Both are there: it goes on with the CUDA set, and keeps what it has.
    _link(tools, gcc=str(GCC))
    _, said = checkout.run("doctor")
    assert "Installing EagleChat (cuda)" in said and "meanwhile" not in said
    assert "Python environment" in said and "Installed." in said
    home = checkout.root / ".venv" / "cuda"
    assert (home / "bin" / "nvcc").exists() and (home / "lib64" / "libcudart.so").exists()
    assert (home / "bin" / "c++").resolve() == Path(str(GPP)).resolve()

    # From then on it is there at once, and looks at nothing.
    (tools / "gcc").unlink()
    _, said = checkout.run("doctor")
    assert said == ""
