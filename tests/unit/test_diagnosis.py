"""From a log to one cause, in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatapp.engine.diagnosis import CAUSES, diagnose
from chatapp.errors import EngineError
from chatapp.host import distribution
from chatapp.texts import LANGUAGES, Texts

LOGS = Path(__file__).with_name("compile_logs")

HEALTHY = """
[2026-11-24 07:57:19] Ignore import error when loading sglang.srt.models.inkling: No module named 'cutlass'
[2026-11-24 07:57:21] OpenAI Responses API (/v1/responses) disabled: (ModuleNotFoundError: No module named 'openai_harmony')
[2026-11-24 07:57:21] post-warmup freeze_gc failed
ConnectionRefusedError: [Errno 111] Connection refused
urllib3.exceptions.NewConnectionError: HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: [Errno 111] Connection refused
requests.exceptions.ConnectionError: HTTPConnectionPool(host='127.0.0.1', port=1): Max retries exceeded with url: /freeze_gc
[2026-11-24 07:57:22] Decode batch, #running-req: 1, #token: 90, token usage: 0.01
""".strip().splitlines()  # noqa: E501


@pytest.mark.parametrize(("fragment", "key"), CAUSES)
def test_each_cause_is_found_behind_noise(fragment: str, key: str) -> None:
    log = [*HEALTHY, f"[2026-11-24 08:00:00 TP0] {fragment} 0.7", *HEALTHY]
    assert diagnose(log, 1)[0] == key


@pytest.mark.parametrize("key", sorted({key for _, key in CAUSES} | {"engine_failed"}))
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_cause_has_words(key: str, language: str) -> None:
    words = EngineError(key, line="the line", command="the command").words(Texts(language))
    assert "{" not in words and len(words) > 10


# What SGLang, FlashInfer and Triton wrote where a part of the toolchain was taken away.
RECORDED = {
    "triton_no_compiler": "engine_no_compiler",
    "sglang_no_compiler": "engine_no_compiler",
    "sglang_other_compiler": "engine_other_compiler",
    "triton_no_headers": "engine_no_headers",
    "sglang_no_nvcc": "engine_no_nvcc",
    "flashinfer_no_nvcc": "engine_no_nvcc",
    "sglang_no_ninja": "engine_no_ninja",
    "flashinfer_headers_incompatible": "engine_other_headers",
    "sglang_no_cudart": "engine_no_cudart",
    "flashinfer_no_libcuda": "engine_no_libcuda",
    "triton_no_libcuda": "engine_no_libcuda",
    "triton_driver_not_found": "engine_no_libcuda",
    "triton_driver_not_loaded": "engine_no_libcuda",
    "sglang_compile_error": "engine_kernel_build",
}
# How SGLang 0.5.23 words it when that happens while CUDA graphs are captured.
_CAPTURE = """
During handling of the above exception, another exception occurred:

Traceback (most recent call last):
Exception: Capture cuda graph failed: {error}
Possible solutions:
1. set --mem-fraction-static to a smaller value (e.g., 0.8 or 0.7)
2. set --cuda-graph-max-bs-decode to a smaller value (e.g., 16)
3. disable decode CUDA graph by --cuda-graph-backend-decode=disabled. (Not recommended. Huge performance loss)
Open an issue on GitHub https://github.com/sgl-project/sglang/issues/new/choose

[2026-11-24 08:00:00] Received sigquit from a child process. It usually means the child failed.
"""  # noqa: E501


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize(("name", "key"), RECORDED.items())
def test_a_compile_that_failed_is_no_lack_of_memory(name: str, key: str, captured: bool) -> None:
    log = (LOGS / f"{name}.log").read_text("utf-8")
    if captured:
        log += _CAPTURE.format(error=log.partition("Error: ")[2])
    found, values = diagnose([*HEALTHY, *log.splitlines()], 1)
    assert found == key
    packaged = ("engine_no_compiler", "engine_other_compiler", "engine_no_headers")
    assert ("command" in values) == (key in packaged)


def test_what_the_compiler_says_is_shown() -> None:
    log = (LOGS / "sglang_compile_error.log").read_text("utf-8").splitlines()
    assert "exception specification is incompatible" in diagnose(log, 1)[1]["line"]
    assert "sgl_kernel_jit" in diagnose(log[:2], 1)[1]["line"]


def test_the_command_is_that_of_this_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distribution, "OS_RELEASE", tmp_path / "os-release")
    (tmp_path / "os-release").write_text("ID=fedora\n")
    lost = ["driver.c:9:10: fatal error: Python.h: No such file or directory"]
    python = f"python{sys.version_info.major}.{sys.version_info.minor}-devel"
    assert diagnose(lost, 1)[1]["command"].endswith(f"dnf install -y {python}")
    (tmp_path / "os-release").write_text("ID=void\n")
    assert diagnose(lost, 1)[1]["command"] == "python launcher.py doctor"


def test_graphs_that_really_lack_memory_say_so() -> None:
    log = _CAPTURE.format(error="CUDA out of memory. Tried to allocate 20.00 MiB")
    assert diagnose(log.splitlines(), 1)[0] == "engine_graphs"


def test_the_newest_cause_wins() -> None:
    log = ["KV cache pool is full. Retract requests.", "x", "RuntimeError: CUDA out of memory"]
    assert diagnose(log, 1)[0] == "engine_out_of_video_memory"


def test_an_unknown_error_gives_its_line_without_the_stamp() -> None:
    broke = "[2026-11-24 08:00:00] RuntimeError: the frobnicator broke"
    log = [*HEALTHY, broke, "Received sigquit from a child process."]
    assert diagnose(log, 1) == ("engine_failed", {"line": "RuntimeError: the frobnicator broke"})


def test_a_healthy_log_has_no_cause() -> None:
    assert diagnose(HEALTHY, -9) == ("engine_killed", {})
    assert diagnose(HEALTHY, None) == ("engine_killed", {})
    assert diagnose(HEALTHY, 5) == ("engine_ended", {"code": "5"})
    assert diagnose([], 0) == ("engine_ended", {"code": "0"})


def test_a_long_line_is_cut() -> None:
    assert len(diagnose(["ValueError: " + "x" * 5000], 1)[1]["line"]) == 300
