"""The kernel cache, and what stands before the engine, without compiling anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatapp import locations
from chatapp.domain import PhaseProgress
from chatapp.engine.process.timeline import Timeline
from chatapp.kernels import cache, first
from chatapp.kernels.build import BuildError, BuildProgress, build


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    for name in ("target", "draft"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text('{"hidden_size": 64}')
    models = ["--model-path", str(tmp_path / "target")]
    models += ["--speculative-draft-model-path", str(tmp_path / "draft")]
    return ["python", "-m", "sglang.launch_server", *models, "--port", "1", "--dtype", "float16"]


def test_built_once_for_a_version_a_card_and_what_decides(command: list[str]) -> None:
    assert not cache.is_built(command, "8.9")
    cache.mark_built(command, "8.9", ["sglang a"])
    assert cache.is_built(command, "8.9")
    assert cache.is_built([*command, "--port", "2"], "8.9")
    assert not cache.is_built(command, "9.0")
    assert not cache.is_built([*command, "--quantization", "fp8"], "8.9")
    assert list(build(command, "8.9", {})) == []


def test_another_shape_wants_other_kernels(command: list[str], tmp_path: Path) -> None:
    cache.mark_built(command, "8.9", [])
    (tmp_path / "target" / "config.json").write_text('{"hidden_size": 128}')
    assert not cache.is_built(command, "8.9")


def test_the_list_names_who_compiled_what_for_which_card(tmp_path: Path) -> None:
    places = (
        "sglang/sm_89/rope/build-1/deps-2/rope.so",
        ".cache/flashinfer/0.7.2/120f/cached_ops/sampling/sampling.so",
        "triton/ABC/cuda_utils.cpython-311-x86_64-linux-gnu.so",
    )
    for place in places:
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.write_bytes(b"1234")
    found = [
        (kernel.name, kernel.by, kernel.arch, kernel.bytes) for kernel in cache.kernels(tmp_path)
    ]
    assert found == [
        ("sampling", "flashinfer", "12.0f", 4),
        ("rope", "sglang", "8.9", 4),
        ("cuda_utils", "triton", "", 4),
    ]


def test_a_module_that_no_rehearsal_wanted_is_named(command: list[str]) -> None:
    folder = locations.kernels()
    for name in ("rope", "norm"):
        path = folder / f"sglang/sm_89/sgl_kernel_jit_{name}/build-1/deps-2/{name}.so"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    cache.mark_built(command, "8.9", ["sglang rope"])
    assert cache.unforeseen() == ["sglang norm"]


def test_a_rehearsal_that_fails_says_so_and_is_not_taken_for_done(command: list[str]) -> None:
    with pytest.raises(BuildError) as failed:
        list(build([*command, "--no-such-flag"], "8.9", {"PATH": "/usr/bin:/bin"}))
    assert failed.value.module == "" and failed.value.reason
    assert not cache.is_built([*command, "--no-such-flag"], "8.9")


def test_the_start_shows_how_many_modules_are_there() -> None:
    timeline = Timeline(draft=True, kernels=True)
    for progress in (BuildProgress(), BuildProgress(3, 11, 41.7, "rope")):
        timeline.read(first.line(progress), 1.0)
    phase = timeline.phases()[0]
    assert phase.name == "kernels" and phase.at is None
    assert phase.progress == PhaseProgress(3, 11, "modules", 42.0)
    timeline.read(first.READY, 9.0)
    assert timeline.phases()[0].at == 9.0


def test_the_engine_keeps_its_kernels_where_they_were_built() -> None:
    told = cache.environment()
    assert all(place.startswith(str(locations.kernels())) for place in told.values())


def test_the_test_set_has_the_pins_of_the_cuda_set() -> None:
    folder = locations.assets() / "requirements"
    cuda, test = (_pins(folder / f"{name}.txt") for name in ("cuda", "test"))
    shared = cuda.keys() & test.keys()
    assert {"nvidia-cuda-nvcc", "flashinfer-python"} <= shared
    assert {name: test[name] for name in shared} == {name: cuda[name] for name in shared}


def _pins(path: Path) -> dict[str, str]:
    lines = (line.partition(";")[0].strip() for line in path.read_text().splitlines())
    return dict(line.split("==") for line in lines if "==" in line)
