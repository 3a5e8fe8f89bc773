"""Doctor: every check finds what is wrong and says what to do; the JSON is only JSON."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from argparse import Namespace
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from chatapp import locations
from chatapp.commands import checkup, doctor
from chatapp.domain import Card
from chatapp.host import machine, toolchain
from chatapp.host.machine import Driver
from chatapp.launch import complete
from chatapp.settings import Settings
from chatapp.texts import Texts
from chatapp.ui.server import port
from chatapp.units import GIB
from tests.compilers import GCC, compiles

OLD, NEW = Driver("535.10", 1), Driver("580.95.05", 1)


def _look(name: str, settings: Settings, language: str = "en") -> doctor.Check:
    return doctor.checked(name, checkup.CHECKS[name], settings, Texts(language))


@pytest.fixture
def chosen(data_dir: Path) -> Settings:
    return Settings.load(data_dir=data_dir, port=_free_port())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("name", [n for n in checkup.CHECKS if n not in ("hooks", "pair")])
def test_all_is_well_here(name: str, chosen: Settings) -> None:
    check = _look(name, chosen)
    assert check.ok and check.detail and check.fix == "", check


def _no_memory(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    patch.setattr(checkup.psutil, "virtual_memory", lambda: SimpleNamespace(total=10**9))


def _no_disk(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    patch.setattr(machine, "free_bytes", lambda path: 10**6)


def _old_driver(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    patch.setattr(machine, "nvidia_driver", lambda: OLD)


def _package_missing(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    patch.setattr(complete, "pins", lambda name: ["gradio==0.0.1", "no-such-thing==1"])


def _data_dir_is_a_file(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.data_dir.rmdir()
    settings.data_dir.write_text("in the way")


def _pair_broken(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    broken = settings.data_dir / "pair"
    shutil.copytree(locations.pocket_pair(), broken)
    weights = broken / "draft" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    patch.setattr(locations, "pocket_pair", lambda: broken)


@pytest.mark.parametrize(
    ("name", "trouble", "says"),
    [
        ("machine", _no_memory, "0.93 GB"),
        ("driver", _old_driver, "535.10"),
        ("installed", _package_missing, "no-such-thing==1"),
        ("disk", _no_disk, "0.00 GB"),
        ("data_dir", _data_dir_is_a_file, "cannot be written"),
        ("pair", _pair_broken, "not whole"),
    ],
)
def test_what_is_wrong_is_found_and_has_a_cure(
    name: str,
    trouble: Callable[[pytest.MonkeyPatch, Settings], None],
    says: str,
    chosen: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trouble(monkeypatch, chosen)
    check = _look(name, chosen)
    assert not check.ok and says in check.detail and check.fix
    assert _look(name, chosen, "zh").fix != check.fix


def test_cuda_without_a_driver_is_wrong_only_when_asked_for(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "nvidia_driver", lambda: None)
    assert _look("driver", Settings.load(data_dir=data_dir)).ok
    wanted = _look("driver", Settings.load(data_dir=data_dir, device="cuda"))
    assert not wanted.ok and "580" in wanted.fix
    assert not _look("installed", Settings.load(data_dir=data_dir, device="cuda")).ok


# What compiles, on a machine with a card


@pytest.fixture
def card(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of someone with a card of compute capability 8.9."""
    monkeypatch.setattr(machine, "nvidia_driver", lambda: NEW)
    seen = Card(24 * GIB, 0, (8, 9))
    monkeypatch.setattr(checkup, "engine_card", lambda arguments: seen)
    return Settings.load(data_dir=data_dir, device="cuda")


def test_what_pip_cannot_bring_is_named_with_its_command(
    card: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = toolchain.Toolchain(None, False, False, "3.12")
    monkeypatch.setattr(toolchain, "find", lambda python: lacking)
    check = _look("compilers", card)
    assert not check.ok and "Python.h" in check.detail and "--device cpu" in check.fix
    whole = toolchain.Toolchain(toolchain.Compilers("/gcc", "/g++"), False, True, "3.12")
    monkeypatch.setattr(toolchain, "find", lambda python: whole)
    check = _look("compilers", card)
    assert check.ok and "/g++" in check.detail


def test_who_uses_the_cpu_needs_no_compiler(card: Settings) -> None:
    for name in ("compilers", "kernels"):
        assert _look(name, card.model_copy(update={"device": "cpu"})).ok


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CUDA home with real libraries to link against and an nvcc that compiles nothing."""
    home = tmp_path / "venv" / "cuda"
    (home / "bin").mkdir(parents=True)
    (home / "lib64" / "stubs").mkdir(parents=True)
    empty = [str(GCC), "-x", "c", "-fPIC", os.devnull]
    for library in ("lib64/libcudart.so", "lib64/stubs/libcuda.so"):
        subprocess.run([*empty, "-shared", "-o", str(home / library)], check=True)
    _nvcc(home, f"{' '.join(empty)} -c -o $last")
    real = checkup.trial.compile_kernel
    at_home = lambda capability: real(capability, home.parent)  # noqa: E731
    monkeypatch.setattr(checkup.trial, "compile_kernel", at_home)
    return home


def _nvcc(home: Path, *lines: str) -> None:
    """``$last`` is the last argument; all of them are kept in ``asked``."""
    script = ["#!/bin/sh", f'echo "$@" > {home}/asked', "for last; do :; done", *lines]
    (home / "bin" / "nvcc").write_text("\n".join(script) + "\n")
    (home / "bin" / "nvcc").chmod(0o755)


@compiles
def test_a_small_kernel_is_compiled_for_the_card_and_linked(card: Settings, home: Path) -> None:
    check = _look("kernels", card)
    assert check.ok and "8.9" in check.detail
    assert "arch=compute_89,code=sm_89" in (home / "asked").read_text()


@compiles
def test_a_card_that_does_not_say_its_architecture_costs_no_check(
    card: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "engine_card", lambda arguments: None)
    assert _look("kernels", card).ok
    assert "gencode" not in (home / "asked").read_text()


@compiles
@pytest.mark.parametrize(
    ("taken", "says"),
    [
        ("bin/nvcc", "nvcc"),
        ("lib64/libcudart.so", "libcudart"),
        ("lib64/stubs/libcuda.so", "libcuda.so.1"),
    ],
)
def test_what_is_missing_in_the_toolkit_is_named(
    card: Settings, home: Path, taken: str, says: str
) -> None:
    (home / taken).unlink()
    check = _look("kernels", card)
    assert not check.ok and says in check.detail and "stamp" in check.fix


@compiles
def test_headers_of_another_release_are_named(card: Settings, home: Path) -> None:
    log = Path(__file__).with_name("compile_logs") / "flashinfer_headers_incompatible.log"
    _nvcc(home, f"cat {log} >&2", "exit 2")
    assert "different releases" in _look("kernels", card).detail


@compiles
def test_another_error_of_the_compiler_is_shown(card: Settings, home: Path) -> None:
    _nvcc(home, "echo 'a.cu(1): note: x' >&2", "echo 'a.cu(2): error: no such type' >&2", "exit 2")
    check = _look("kernels", card)
    assert not check.ok and "a.cu(2): error: no such type" in check.detail and check.fix


def test_a_port_that_another_program_has(chosen: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", chosen.port))
        other.listen()
        check = _look("port", chosen)
        assert not check.ok and str(chosen.port) in check.detail and check.fix
        record = {"pid": os.getpid(), "url": f"http://127.0.0.1:{chosen.port}"}
        locations.app_record(chosen.data_dir).write_text(json.dumps(record))
        assert _look("port", chosen).ok, "our own app may have it"


def test_a_mistake_in_one_check_does_not_hide_the_others(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: Settings) -> checkup.CheckupFinding:
        raise RuntimeError("boom")

    looks = {"python": broken, "disk": checkup.CHECKS["disk"]}
    monkeypatch.setattr(checkup, "CHECKS", looks)
    found = list(doctor.examine(chosen, Texts("en")))
    assert [check.ok for check in found] == [False, True]
    assert "boom" in found[0].detail and found[0].fix


@pytest.mark.parametrize("good", [True, False])
def test_json_and_nothing_else(
    good: bool,
    chosen: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(checkup, "CHECKS", {"python": checkup.CHECKS["python"]})
    if not good:
        monkeypatch.setattr(checkup.sys, "version_info", (3, 10))
    assert doctor.main(Namespace(json=True), chosen) == (0 if good else 1)
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is good
    assert set(said["checks"][0]) == {"name", "ok", "detail", "fix"}
    assert bool(said["checks"][0]["fix"]) is not good


def test_in_words_each_fault_has_an_arrow(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = {name: checkup.CHECKS[name] for name in ("python", "disk")}
    monkeypatch.setattr(checkup, "CHECKS", checks)
    _no_disk(monkeypatch, chosen)
    assert doctor.main(Namespace(json=False), chosen) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines[:2]] == ["✓", "✗"] and lines[2].startswith("  → ")


def test_a_set_is_complete_when_every_pin_that_applies_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pins = [f"psutil=={version('psutil')}", "absent==1 ; python_full_version < '3'"]
    monkeypatch.setattr(complete, "pins", lambda name: pins)
    assert complete.missing("cpu") == []
    pins += ["absent==1", "psutil==0"]
    assert complete.missing("cpu") == ["absent==1", "psutil==0"]


def test_the_default_port_is_looked_at_when_none_is_chosen(data_dir: Path) -> None:
    assert str(port.DEFAULT) in _look("port", Settings.load(data_dir=data_dir)).detail
