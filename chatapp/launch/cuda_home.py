"""Lays a CUDA home inside a virtual environment, out of its NVIDIA wheels.

SGLang, FlashInfer and Triton compile kernels and look for a toolkit as NVIDIA's
installer lays it: ``bin/nvcc``, ``include``, ``nvvm``, ``lib64/libcudart.so`` and
``lib64/stubs/libcuda.so``. The wheels hold the same files in other places and, of the
libraries, only the versioned names. So the home is a folder of links:

    bin/*, include/*, nvvm       →  site-packages/nvidia/cu13/…
    include/crt/math_functions.h    a copy that glibc 2.42 and later accept
    bin/{gcc,g++,cc,c++}         →  the compilers of this machine that fit
    lib64/libcudart.so           →  site-packages/nvidia/cu13/lib/libcudart.so.13
    lib64/stubs/libcuda.so{,.1}  →  the driver's libcuda.so.1

Where there is no driver, as on a machine that only builds, a stub takes its place, made
like the one in NVIDIA's toolkit: it has every function of ``cuda.h``, and each answers
CUDA_ERROR_STUB_LIBRARY.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path

from chatapp.errors import LaunchError
from chatapp.host.toolchain import Compilers, find_compilers
from chatapp.locations import cuda_home as place

__all__ = ["lay", "place"]

_DRIVER = "libcuda.so.1"
DRIVER_PLACES = (_DRIVER, f"/usr/lib/wsl/lib/{_DRIVER}")
_STUB_ANSWER = 34  # CUDA_ERROR_STUB_LIBRARY of cuda.h
_RTLD_DI_LINKMAP = 2
# glibc 2.42 brought functions of these names that throw nothing; CUDA's before 13.1 do not
# say so, and no file that includes both compiles.
_MATH = "math_functions.h"
_CLASHING = re.compile(r"\b(rsqrtf?\((?:double|float) x\));")
_SPECIFIER = """#include <features.h>
#if defined(__cplusplus) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 42)
#define _EAGLECHAT_NO_THROW noexcept(true)
#endif
#endif
#ifndef _EAGLECHAT_NO_THROW
#define _EAGLECHAT_NO_THROW
#endif
"""
_FUNCTION = re.compile(r"\bCUresult\s+(cu\w+)\s*\(")


class _LinkMap(ctypes.Structure):
    """The beginning of glibc's ``struct link_map``."""

    _fields_ = (("address", ctypes.c_size_t), ("name", ctypes.c_char_p))


def lay(venv: Path) -> Path:
    """The CUDA home of ``venv``, laid or mended. Raises LaunchError where the wheels are
    not there. Without a driver and without a C compiler there is no ``libcuda.so`` in it."""
    home, wheels = place(venv), _wheels(venv)
    _link(home / "nvvm", wheels / "nvvm")
    _link_all(home / "bin", wheels / "bin")
    compilers, _ = find_compilers()
    if compilers and Path(compilers.c).parent != home / "bin":
        _lay_compilers(home / "bin", compilers)
    _lay_headers(home / "include", wheels / "include")
    _link_all(home / "lib64", wheels / "lib")
    for library in (wheels / "lib").glob("*.so.*"):
        _link(home / "lib64" / re.sub(r"\.so\..*", ".so", library.name), library)
    _lay_driver(home, compilers.c if compilers else "gcc")
    return home


def _wheels(venv: Path) -> Path:
    """Where the wheels have put the toolkit. Raises LaunchError without an nvcc."""
    for found in venv.glob("lib/python3*/site-packages/nvidia/cu13"):
        if (found / "bin" / "nvcc").exists():
            return found
    raise LaunchError("launch_no_nvcc", place=venv)


def _lay_compilers(home: Path, compilers: Compilers) -> None:
    """nvcc, Triton and the linking of modules take the first of these names on PATH."""
    for name in ("gcc", "cc"):
        _link(home / name, Path(compilers.c))
    for name in ("g++", "c++"):
        _link(home / name, Path(compilers.cpp))


def _lay_headers(home: Path, wheels: Path) -> None:
    _link_all(home, wheels, but="crt")
    _link_all(home / "crt", wheels / "crt", but=_MATH)
    original = (wheels / "crt" / _MATH).read_text("utf-8")
    mended = _SPECIFIER + _CLASHING.sub(r"\1 _EAGLECHAT_NO_THROW;", original)
    copy = home / "crt" / _MATH
    if not copy.exists() or copy.read_text("utf-8") != mended:
        draft = copy.with_name(copy.name + ".new")
        draft.write_text(mended, "utf-8")
        draft.replace(copy)


def _lay_driver(home: Path, compiler: str) -> None:
    stubs, driver = home / "lib64" / "stubs", _driver()
    if driver is None:
        stub = stubs / _DRIVER
        if stub.is_symlink() or not stub.exists():
            stub.unlink(missing_ok=True)
            with suppress(OSError, subprocess.CalledProcessError):
                _make_stub(stub, home / "include" / "cuda.h", compiler)
        driver = stub
    else:
        _link(stubs / _DRIVER, driver)
    _link(stubs / "libcuda.so", driver)


def _driver() -> Path | None:
    """The driver's library by the name that the loader found it under, which outlives an
    update of the driver."""
    for name in DRIVER_PLACES:
        with suppress(OSError):
            return _loaded_from(ctypes.CDLL(name))
    return None


def _loaded_from(library: ctypes.CDLL) -> Path:
    found = ctypes.POINTER(_LinkMap)()
    handle = ctypes.c_void_p(library._handle)
    ctypes.CDLL(None).dlinfo(handle, _RTLD_DI_LINKMAP, ctypes.byref(found))
    return Path(os.fsdecode(found.contents.name))


def _make_stub(stub: Path, header: Path, compiler: str) -> None:
    """Raises OSError or CalledProcessError where it cannot be compiled."""
    expanded = _run([compiler, "-E", str(header)])
    functions = sorted(set(_FUNCTION.findall(expanded)))
    source = "".join(f"int {name}(void) {{ return {_STUB_ANSWER}; }}\n" for name in functions)
    stub.parent.mkdir(parents=True, exist_ok=True)
    options = ["-shared", "-fPIC", "-x", "c", "-", f"-Wl,-soname,{_DRIVER}"]
    _run([compiler, *options, "-o", str(stub)], source)


def _run(command: list[str], given: str = "") -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return done.stdout


def _link_all(folder: Path, wheel: Path, but: str = "") -> None:
    """Makes ``folder`` one of links to what lies in ``wheel``."""
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for entry in wheel.iterdir():
        if entry.name != but:
            _link(folder / entry.name, entry)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    draft = link.with_name(link.name + ".new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
