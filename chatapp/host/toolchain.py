"""What pip cannot bring and the CUDA engine compiles its kernels with: g++ and Python.h.

They are looked for by compiling, before anything large is fetched: a compiler may be
there without its headers, and ``Python.h`` without what it includes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import LaunchError
from chatapp.host.distribution import install_command

# The newest g++ that the pinned nvcc takes, and the oldest that knows SGLang's C++20.
NEWEST_GCC = 15
OLDEST_GCC = 11
_VERSIONS = ("", *(f"-{major}" for major in range(NEWEST_GCC, OLDEST_GCC - 1, -1)))
_ASK = (
    "import sysconfig as s; "
    "print(s.get_python_version(), s.get_path('include', 'posix_prefix'), sep='\\n')"
)
_OTHER = "another gcc"
_CPP = f"""
#if defined(__clang__) || !defined(__GNUC__)
#error not gcc
#elif __GNUC__ > {NEWEST_GCC} || __GNUC__ < {OLDEST_GCC}
#error {_OTHER}
#endif
#include <concepts>
#include <vector>
template <std::integral T> std::vector<T> some(T x) {{ return std::vector<T>(x, x); }}
extern "C" unsigned long much() {{ return some(7).size(); }}
"""
_HEADERS = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "stub"};
PyMODINIT_FUNC PyInit_stub(void) { return PyModule_Create(&module); }
"""


@dataclass(frozen=True, slots=True)
class Compilers:
    """The paths of a gcc and of its g++."""

    c: str
    cpp: str


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What compiles on this machine. ``other_gcc``: there is a g++ whose version does not
    fit. ``headers`` are those of Python ``version``."""

    compilers: Compilers | None
    other_gcc: bool
    headers: bool
    version: str

    @property
    def lacks(self) -> LaunchError | None:
        """What is missing, with the command that brings it; None when nothing is."""
        compiler = "other_compiler" if self.other_gcc else "compiler"
        needs = [] if self.compilers else [compiler]
        needs += [] if self.headers else ["headers"]
        if not needs:
            return None
        command = install_command(needs, self.version, NEWEST_GCC)
        key = "both" if len(needs) == 2 else needs[0]
        values = {"version": self.version, "oldest": OLDEST_GCC, "newest": NEWEST_GCC}
        key = f"launch_no_{key}" if command else "launch_no_toolchain"
        return LaunchError(key, command=command, **values)


def find(python: str) -> Toolchain:
    """Compiles and links a few lines, with ``Python.h`` of the interpreter ``python``."""
    asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=True)
    version, include = asked.stdout.splitlines()
    compilers, other_gcc = find_compilers()
    if c := compilers.c if compilers else shutil.which("gcc"):
        headers = complaint(_HEADERS, [c, "-x", "c", f"-I{include}"], c) is None
    else:
        headers = Path(include, "Python.h").exists()
    return Toolchain(compilers, other_gcc, headers, version)


def find_compilers() -> tuple[Compilers | None, bool]:
    """The first gcc whose C++ fits: the person's CC and CXX, the system's, or one with its
    version in its name; and whether there was one of a version that does not fit."""
    other = False
    for c, cpp in _named():
        # nvcc calls gcc for C++ as well; what it made is linked with g++.
        wrong = complaint(_CPP, [c, "-x", "c++", "-std=c++20"], cpp)
        if wrong is None:
            return Compilers(c, cpp), other
        other = other or _OTHER in wrong
    return None, other


def _named() -> Iterator[tuple[str, str]]:
    names = [(f"gcc{version}", f"g++{version}") for version in _VERSIONS]
    for pair in [(os.environ.get("CC", ""), os.environ.get("CXX", "")), *names]:
        c, cpp = map(shutil.which, pair)
        if c and cpp:
            yield c, cpp


def complaint(source: str, compile_with: Sequence[str], link_with: str) -> str | None:
    """What a compiler or linker says against ``source``; None when both make a library."""
    with tempfile.TemporaryDirectory() as folder:
        part, whole = str(Path(folder, "stub.o")), str(Path(folder, "stub.so"))
        for command in (
            [*compile_with, "-fPIC", "-c", "-", "-o", part],
            [link_with, "-shared", part, "-o", whole],
        ):
            try:
                subprocess.run(command, input=source, capture_output=True, text=True, check=True)
            except subprocess.CalledProcessError as error:
                return str(error.stderr)
            except OSError as error:
                return str(error)
    return None
