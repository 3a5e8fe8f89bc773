"""The CUDA home inside ``.venv``: laid out of the wheels, mended, and a driver or a stub in it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from chatapp.errors import LaunchError
from chatapp.launch import cuda_home
from tests.compilers import compiles

# How the wheels lie, and as much of cuda.h as a stub is made of.
_FILES = {
    "bin/nvcc": "",
    "bin/ptxas": "",
    "nvvm/bin/cicc": "",
    "lib/libcudart.so.13": "",
    "lib/libcublasLt.so.13": "",
    "lib/libcudart_static.a": "",
    "include/crt/host_config.h": "",
    "include/crt/math_functions.h": """
extern double rsqrt(double x);
extern float rsqrtf(float x);
extern double sqrt(double x);
""",
    "include/cuda.h": """
#define cuMemAlloc cuMemAlloc_v2
typedef enum { CUDA_SUCCESS = 0 } CUresult;
CUresult cuInit(unsigned int flags);
CUresult cuMemAlloc(void **pointer, unsigned long size);
""",
}


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    wheels = _wheels(tmp_path)
    for name, text in _FILES.items():
        (wheels / name).parent.mkdir(parents=True, exist_ok=True)
        (wheels / name).write_text(text)
    return tmp_path


@pytest.fixture
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_home, "DRIVER_PLACES", ("/nonexistent/libcuda.so.1",))


def _wheels(venv: Path) -> Path:
    return venv / "lib" / "python3.11" / "site-packages" / "nvidia" / "cu13"


def _library(path: Path) -> Path:
    """A library that answers 7, to stand for a driver's."""
    source = "int cuInit(unsigned int flags) { return 7; }"
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)]
    subprocess.run(command, input=source, text=True, check=True)
    return path


def test_the_wheels_look_like_a_toolkit(venv: Path, no_driver: None) -> None:
    home = cuda_home.lay(venv)
    assert home == cuda_home.place(venv)
    for name in ("bin/nvcc", "bin/ptxas", "nvvm/bin/cicc", "include/cuda.h"):
        assert (home / name).samefile(_wheels(venv) / name)
    for name in ("libcudart.so", "libcudart.so.13", "libcublasLt.so", "libcudart_static.a"):
        assert (home / "lib64" / name).exists()
    assert not (home / "bin").is_symlink(), "nvcc looks for lib64 beside the bin it lies in"


@compiles
def test_its_mathematics_fit_a_newer_c_library(venv: Path, no_driver: None) -> None:
    """glibc 2.42 declares rsqrt as throwing nothing; a second declaration must say so too."""
    crt = cuda_home.lay(venv) / "include" / "crt"
    assert (crt / "host_config.h").samefile(_wheels(venv) / "include/crt/host_config.h")
    header = (crt / "math_functions.h").read_text()
    of_the_library = "extern double rsqrt(double x) noexcept(true);"
    for least, clashes in (("2, 0", False), ("9, 0", True)):
        source = header.replace("__GLIBC_PREREQ(2, 42)", f"__GLIBC_PREREQ({least})")
        command = ["g++", "-fsyntax-only", "-x", "c++", "-"]
        done = subprocess.run(command, input=source + of_the_library, text=True)
        assert bool(done.returncode) == clashes


def test_what_is_whole_stays_and_what_is_broken_is_mended(venv: Path, no_driver: None) -> None:
    home = cuda_home.lay(venv)
    whole, broken = home / "bin" / "nvcc", home / "lib64" / "libcudart.so"
    before = whole.lstat().st_ino
    broken.unlink()
    broken.symlink_to("/gone/libcudart.so.12")
    shutil.rmtree(home / "include")
    (home / "include").symlink_to(_wheels(venv) / "include")
    cuda_home.lay(venv)
    assert whole.lstat().st_ino == before
    assert broken.samefile(_wheels(venv) / "lib" / "libcudart.so.13")
    assert (home / "include" / "cuda.h").exists()
    assert not (_wheels(venv) / "include" / "cuda.h").is_symlink(), "the wheels stay as they are"


@compiles
def test_a_stub_stands_where_a_driver_will_be(
    venv: Path, no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubs = cuda_home.lay(venv) / "lib64" / "stubs"
    stub = ctypes.CDLL(str(stubs / "libcuda.so"))
    assert stub.cuInit(0) == stub.cuMemAlloc_v2(None, 1) == 34
    made = (stubs / "libcuda.so.1").stat().st_mtime_ns
    cuda_home.lay(venv)
    assert (stubs / "libcuda.so.1").stat().st_mtime_ns == made

    driver = _library(venv / "libcuda.so.1")
    monkeypatch.setattr(cuda_home, "DRIVER_PLACES", ("/nonexistent", str(driver)))
    cuda_home.lay(venv)
    assert all((stubs / name).samefile(driver) for name in ("libcuda.so", "libcuda.so.1"))

    driver.unlink()
    monkeypatch.setattr(cuda_home, "DRIVER_PLACES", ("/nonexistent",))
    cuda_home.lay(venv)
    assert ctypes.CDLL(str(stubs / "libcuda.so")).cuInit(0) == 34


@compiles
def test_the_compilers_that_fit_come_first_on_its_path(
    venv: Path, no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = cuda_home.lay(venv) / "bin"
    for name, real in (("gcc", "gcc"), ("cc", "gcc"), ("g++", "g++"), ("c++", "g++")):
        assert str((tools / name).readlink()) == shutil.which(real)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    cuda_home.lay(venv)
    assert (tools / "gcc").exists(), "it is no link to itself"


def test_without_a_compiler_there_is_no_stub_but_a_home(
    venv: Path, no_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    home = cuda_home.lay(venv)
    assert (home / "bin" / "nvcc").exists()
    assert not (home / "lib64" / "stubs" / "libcuda.so").exists()


def test_without_the_wheels_it_says_so(venv: Path) -> None:
    shutil.rmtree(_wheels(venv) / "bin")
    with pytest.raises(LaunchError) as refused:
        cuda_home.lay(venv)
    assert refused.value.key == "launch_no_nvcc"
