"""The command line and environment of an engine. That SGLang understands it, and as it is
meant, is asked of SGLang in tests/engine/test_presets.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.domain import Pair, Tree
from chatapp.engine.command import Device, engine_command, engine_environment

PAIR = Pair("toy", Path("/t"), Path("/d"), Tree(5, 4, 16), "float16", 1024)


def value(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_extra_arguments_come_last() -> None:
    assert engine_command(PAIR, "cpu", 1, "k", extra=["--a", "b"])[-2:] == ["--a", "b"]


@pytest.mark.parametrize(("context", "pool"), [(512, 2048), (8192, 16384), (32768, 32768)])
def test_the_cpu_pool_holds_at_least_one_context(context: int, pool: int) -> None:
    command = engine_command(replace(PAIR, context_length=context), "cpu", 1, "k")
    assert value(command, "--max-total-tokens") == str(pool)


@pytest.mark.parametrize(("dtype", "used"), [("bfloat16", "bfloat16"), ("float32", "float16")])
def test_a_gpu_computes_in_a_half_type(dtype: str, used: str) -> None:
    assert value(engine_command(replace(PAIR, dtype=dtype), "cuda", 1, "k"), "--dtype") == used


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_environment_is_offline_and_local(device: Device) -> None:
    base = {"PATH": "/usr/bin", "NO_PROXY": "example.org", "HTTP_PROXY": "http://p:1"}
    made = engine_environment(device, base, Path("/venv"))
    tools = {"cpu": "/venv/bin", "cuda": "/venv/bin:/venv/cuda/bin"}[device]
    assert made["PATH"] == f"{tools}:/usr/bin"
    assert made["HF_HUB_OFFLINE"] == made["TRANSFORMERS_OFFLINE"] == "1"
    assert made["NO_PROXY"] == "example.org,127.0.0.1,localhost,::1"
    assert made["SGLANG_PLUGINS"] == "eaglechat"
    assert ("SGLANG_USE_CPU_ENGINE" in made) == (device == "cpu")
    assert made["http_proxy"] == "http://p:1"
    assert base == {"PATH": "/usr/bin", "NO_PROXY": "example.org", "HTTP_PROXY": "http://p:1"}


def test_kernels_are_compiled_with_our_toolkit_whatever_other_one_is_there() -> None:
    other = {
        "PATH": "/usr/local/cuda/bin:/usr/bin",
        "CUDA_HOME": "/usr/local/cuda",
        "CUDA_PATH": "/opt/cuda-12",
        "CC": "clang",
        "NVCC_CCBIN": "/usr/local/cuda/bin/g++",
        "CUDACXX": "/usr/local/cuda/bin/nvcc",
        "FLASHINFER_NVCC": "/usr/local/cuda/bin/nvcc",
        "TRITON_LIBCUDA_PATH": "/usr/local/cuda/lib64/stubs",
    }
    made = engine_environment("cuda", other, Path("/venv"))
    assert made["CUDA_HOME"] == made["CUDA_PATH"] == "/venv/cuda"
    assert made["TRITON_LIBCUDA_PATH"] == "/venv/cuda/lib64/stubs"
    assert made["PATH"].split(":")[:2] == ["/venv/bin", "/venv/cuda/bin"]
    assert not any("/usr/local/cuda" in made[name] for name in made if name != "PATH")
    assert "CC" not in made, "it stands in the way of the gcc in our toolkit"
    assert engine_environment("cpu", other, Path("/venv"))["CUDA_HOME"] == "/usr/local/cuda"


def test_without_a_path_there_are_our_tools() -> None:
    assert engine_environment("cpu", {}, Path("/venv"))["PATH"] == "/venv/bin"


def test_cards_are_numbered_as_the_driver_numbers_them() -> None:
    made = engine_environment("cuda", {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"})
    assert made["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
