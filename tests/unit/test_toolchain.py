"""What pip cannot bring: found by compiling, named for the distribution, never asked twice."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chatapp.devices import engine_device
from chatapp.errors import LaunchError
from chatapp.host import distribution, machine, stamp, toolchain
from chatapp.host.machine import Driver
from chatapp.host.toolchain import Compilers, Toolchain
from chatapp.launch import start
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts
from tests.compilers import GCC, GPP, compiles

NOTHING = Toolchain(None, False, False, "3.12")
WHOLE = Toolchain(Compilers("/usr/bin/gcc", "/usr/bin/g++"), False, True, "3.12")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which there is nothing yet, with what compilers themselves call behind it."""
    made = tmp_path / "tools"
    made.mkdir()
    monkeypatch.setenv("PATH", str(made))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    if linker := shutil.which("ld", path=os.defpath):
        for name in ("as", "ld"):
            (made / name).symlink_to(Path(linker).with_name(name))
    return made


def _script(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)
    return str(path)


def _python(folder: Path, headers: str | None) -> str:
    """An interpreter that says it is 3.12 and has its headers in a folder with this
    ``Python.h``."""
    include = folder / "include"
    include.mkdir()
    if headers is not None:
        (include / "Python.h").write_text(headers)
    return _script(folder / "python", "echo 3.12", f"echo {include}")


# Looking


@compiles
def test_a_whole_toolchain_is_found(tools: Path) -> None:
    (tools / "gcc").symlink_to(GCC)
    (tools / "g++").symlink_to(GPP)
    found = toolchain.find(sys.executable)
    assert found.compilers == Compilers(str(tools / "gcc"), str(tools / "g++"))
    assert found.version == f"{sys.version_info.major}.{sys.version_info.minor}"


@compiles
def test_headers_count_when_they_compile(tools: Path, tmp_path: Path) -> None:
    (tools / "gcc").symlink_to(GCC)
    (tools / "g++").symlink_to(GPP)
    broken = _python(tmp_path, "#include <pyconfig-of-another-package.h>\n")
    assert not toolchain.find(broken).headers
    (tmp_path / "include" / "Python.h").unlink()
    found = toolchain.find(broken)
    assert found.compilers and not found.headers
    assert found.lacks is not None and found.lacks.key.startswith("launch_no_")


@compiles
def test_a_compiler_counts_when_it_compiles_and_links(tools: Path) -> None:
    (tools / "gcc").symlink_to(GCC)
    _script(tools / "g++", "echo 'cannot find -lstdc++' >&2", "exit 1")
    assert toolchain.find_compilers() == (None, False)


@compiles
def test_a_gcc_that_nvcc_refuses_gives_way_to_one_that_fits(tools: Path) -> None:
    newer = f"-U__GNUC__ -D__GNUC__={toolchain.NEWEST_GCC + 1}"
    _script(tools / "gcc", f'exec {GCC} {newer} "$@"')
    (tools / "g++").symlink_to(GPP)
    assert toolchain.find_compilers() == (None, True)
    (tools / "gcc-14").symlink_to(GCC)
    (tools / "g++-14").symlink_to(GPP)
    found, _ = toolchain.find_compilers()
    assert found == Compilers(str(tools / "gcc-14"), str(tools / "g++-14"))


@compiles
def test_the_persons_own_compilers_come_first(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, real in (("gcc", GCC), ("g++", GPP)):
        (tools / name).symlink_to(real)
        (tmp_path / name).symlink_to(real)
    monkeypatch.setenv("CC", str(tmp_path / "gcc"))
    monkeypatch.setenv("CXX", str(tmp_path / "g++"))
    found, _ = toolchain.find_compilers()
    assert found == Compilers(str(tmp_path / "gcc"), str(tmp_path / "g++"))


def test_without_a_compiler_the_headers_are_still_named(tools: Path, tmp_path: Path) -> None:
    found = toolchain.find(_python(tmp_path, None))
    assert found == NOTHING
    assert found.lacks is not None
    assert found.lacks.key in ("launch_no_both", "launch_no_toolchain")


# Naming

_RELEASES = {
    "debian": 'ID=debian\nVERSION_ID="12"',
    "ubuntu": "NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian",
    "mint": 'ID=linuxmint\nID_LIKE="ubuntu debian"',
    "fedora": "ID=fedora",
    "rocky": 'ID="rocky"\nID_LIKE="rhel centos fedora"',
    "arch": "ID=arch",
    "manjaro": "ID=manjaro\nID_LIKE=arch",
    "leap": 'ID="opensuse-leap"\nID_LIKE="suse opensuse"',
    "tumbleweed": 'ID="opensuse-tumbleweed"',
}
_APT = "sudo apt-get update && sudo apt-get install -y g++ python3.12-dev"
_DNF = "sudo dnf install -y gcc-c++ python3.12-devel"
_PACMAN = "sudo pacman -S --needed base-devel python"
_ZYPPER = "sudo zypper install -y gcc-c++ python312-devel"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this the distribution with such an ``os-release``."""

    def become(release: str) -> None:
        (tmp_path / "os-release").write_text(release)

    monkeypatch.setattr(distribution, "OS_RELEASE", tmp_path / "os-release")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return become


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("debian", _APT),
        ("ubuntu", _APT),
        ("mint", _APT),
        ("fedora", _DNF),
        ("rocky", _DNF),
        ("arch", _PACMAN),
        ("manjaro", _PACMAN),
        ("leap", _ZYPPER),
        ("tumbleweed", _ZYPPER),
    ],
)
def test_one_command_for_each_distribution(
    name: str, command: str, system: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system(_RELEASES[name])
    needs = ("compiler", "headers")
    assert distribution.install_command(needs, "3.12", 15) == command
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert distribution.install_command(needs, "3.12", 15) == command.replace("sudo ", "")


@pytest.mark.parametrize(
    ("name", "package"),
    [("debian", "g++-15"), ("fedora", "gcc15-c++"), ("arch", "gcc15"), ("leap", "gcc15-c++")],
)
def test_where_the_compiler_does_not_fit_another_is_named(
    name: str, package: str, system: Callable[[str], None]
) -> None:
    system(_RELEASES[name])
    command = distribution.install_command(("other_compiler",), "3.12", 15)
    assert command and command.endswith(f" {package}")


def test_an_unknown_distribution_has_no_command(system: Callable[[str], None]) -> None:
    assert distribution.install_command(("compiler",), "3.12", 15) is None
    system("ID=void\nBROKEN LINE\n")
    assert distribution.install_command(("compiler",), "3.12", 15) is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("release", ["ID=debian", "ID=void"])
@pytest.mark.parametrize(
    "found",
    [
        NOTHING,
        Toolchain(None, False, True, "3.12"),
        Toolchain(None, True, True, "3.12"),
        Toolchain(WHOLE.compilers, False, False, "3.12"),
    ],
)
def test_the_sentence_names_the_command_and_the_cpu(
    found: Toolchain,
    release: str,
    language: str,
    system: Callable[[str], None],
) -> None:
    system(release)
    assert found.lacks is not None
    words = found.lacks.words(Texts(language))
    assert "{" not in words and "--device cpu" in words and "\n" not in words
    assert ("apt-get install" in words) == (release == "ID=debian")


def test_nothing_is_said_where_nothing_is_missing() -> None:
    assert WHOLE.lacks is None


# Deciding


def _decide(
    found: Toolchain, patch: pytest.MonkeyPatch, device: str = "auto", installed: str = ""
) -> str:
    """The launcher's choice on a machine with a driver and this toolchain, where the set
    ``installed`` is there and nobody can be asked."""
    patch.setattr(machine, "nvidia_driver", lambda: Driver("580.95.05", 1))
    patch.setattr(toolchain, "find", lambda python: found)
    patch.setattr(stamp, "is_current", lambda name: name == installed)
    return start.chosen_set(device, Texts("en"))


def test_with_everything_there_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _decide(WHOLE, monkeypatch) == "cuda"
    assert _decide(WHOLE, monkeypatch, installed="cpu") == "cuda", "it goes on where it was"


def test_who_says_cpu_is_told_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _decide(NOTHING, monkeypatch, device="cpu") == "cpu"
    assert capsys.readouterr().err == ""


def test_an_installed_cuda_set_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _decide(NOTHING, monkeypatch, installed="cuda") == "cuda"


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_where_nobody_can_be_asked_the_sentence_is_the_answer(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LaunchError) as refused:
        _decide(NOTHING, monkeypatch, device=device)
    assert refused.value.key.startswith("launch_no_")


def test_who_has_gone_on_with_the_cpu_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _decide(NOTHING, monkeypatch, installed="cpu") == "cpu"
    assert "CPU meanwhile" in capsys.readouterr().err
    with pytest.raises(LaunchError):
        _decide(NOTHING, monkeypatch, device="cuda", installed="cpu")


def test_with_the_cpu_set_alone_the_app_uses_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "nvidia_driver", lambda: Driver("580.95.05", 1))
    for installed, device in (("cpu", "cpu"), ("cuda", "cuda")):
        monkeypatch.setattr(stamp, "is_current", lambda name, one=installed: name == one)
        assert engine_device(Settings(device="auto")) == device
    monkeypatch.setattr(stamp, "is_current", lambda name: name == "cpu")
    assert engine_device(Settings(device="cuda")) == "cuda"
