"""The launcher's parts: what it decides, what it says, and what counts as finished."""

from __future__ import annotations

import ast
import fcntl
import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.metadata import requires
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from chatapp import locations
from chatapp.errors import LaunchError, ProductError
from chatapp.host import machine, stamp
from chatapp.host.machine import Driver
from chatapp.launch import complete, cuda_home, install, network, repair, start
from chatapp.launch.lock import only_one
from chatapp.launch.pip import Pip, _error
from chatapp.launch.progress_display import ProgressDisplay, _fit
from chatapp.texts import Texts

NEW, OLD = Driver("580.65.06", 1), Driver("535.10", 1)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with requirement files and a ``.venv`` that only looks like one."""
    requirements = tmp_path / "assets" / "requirements"
    requirements.mkdir(parents=True)
    for name, text in (
        ("app", "gradio==1\n"),
        ("cpu", "-r app.txt\ntorch==2\n"),
        ("cuda", "-r app.txt\nsglang==3\n"),
        ("test", "pytest==4\n"),
    ):
        (requirements / f"{name}.txt").write_text(text)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(locations, "project", lambda: tmp_path)
    _make_venv()
    return tmp_path


def _make_venv() -> None:
    stamp.python().parent.mkdir(parents=True, exist_ok=True)
    stamp.python().unlink(missing_ok=True)
    stamp.python().symlink_to(sys.executable)


# Before anything is installed


@pytest.mark.parametrize("line", [["--help"], ["ask", "--help"], ["test", "-h"]])
def test_help_needs_nothing_installed(tmp_path: Path, line: list[str]) -> None:
    root = locations.project()
    shutil.copy(root / "launcher.py", tmp_path)
    shutil.copytree(root / "chatapp", tmp_path / "chatapp")
    shutil.copytree(root / "assets" / "texts", tmp_path / "assets" / "texts")
    bare = [sys.executable, "-E", "-S", "launcher.py"]
    shown = subprocess.run([*bare, *line], cwd=tmp_path, capture_output=True, text=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "launcher.py" in shown.stdout and "--help" in shown.stdout
    assert not (tmp_path / ".venv").exists()
    wrong = subprocess.run([*bare, "ask"], cwd=tmp_path, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert not (tmp_path / ".venv").exists()


def test_an_old_python_can_read_the_launcher_and_is_told_what_to_do() -> None:
    source = (locations.project() / "launcher.py").read_text("utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__" not in source, "3.6 does not know annotations"
    old = source.replace("sys.version_info < (3, 11)", "True", 1)
    said = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True)
    assert said.returncode == 1 and said.stdout == ""
    assert "3.11" in said.stderr and "请换用" in said.stderr


def test_everything_before_the_hand_over_is_standard_library() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import chatapp.launch.start\n"
        "ours = {m.partition('.')[0] for m in sys.modules}\n"
        "print(sorted(ours - set(sys.stdlib_module_names) - {'chatapp', '__main__'}))"
    )
    bare = [sys.executable, "-I", "-S", "-c", code, str(locations.project())]
    assert subprocess.run(bare, capture_output=True, text=True).stdout == "[]\n"


# What this machine is


@pytest.mark.parametrize(
    ("system", "processor", "libc", "key"),
    [
        ("win32", "AMD64", ("", ""), "launch_windows"),
        ("cygwin", "x86_64", ("", ""), "launch_windows"),
        ("darwin", "arm64", ("", ""), "launch_macos"),
        ("freebsd14", "amd64", ("", ""), "launch_system"),
        ("linux", "riscv64", ("glibc", "2.39"), "launch_machine"),
        ("linux", "x86_64", ("", ""), "launch_libc"),
        ("linux", "x86_64", ("glibc", "2.31"), "launch_old_libc"),
    ],
)
def test_elsewhere_it_says_so_and_what_to_do(
    system: str, processor: str, libc: tuple[str, str], key: str
) -> None:
    with pytest.raises(LaunchError) as refused:
        machine.check_system(system, processor, libc)
    assert refused.value.key == key
    if key in ("launch_windows", "launch_macos", "launch_system"):
        assert all("Linux" in refused.value.words(Texts(lang)) for lang in ("zh", "en"))


def test_linux_is_fine() -> None:
    machine.check_system("linux", "x86_64", ("glibc", "2.34"))
    machine.check_system("linux", "aarch64", ("glibc", "2.41"))


def test_a_python_that_the_engine_is_not_built_for_gives_way_to_another() -> None:
    assert machine.base_python("3.12", lambda _: None).startswith("/")
    here = {"python3.11": "/usr/bin/python3.11", "python3.12": "/opt/python3.12"}
    assert machine.base_python("3.14", here.get) == "/opt/python3.12"
    with pytest.raises(LaunchError) as refused:
        machine.base_python("3.14", lambda _: None)
    assert refused.value.key == "launch_new_python"


@pytest.mark.parametrize(
    ("device", "driver", "expected"),
    [
        ("auto", None, "cpu"),
        ("auto", NEW, "cuda"),
        ("auto", OLD, "cpu"),
        ("cpu", NEW, "cpu"),
        ("cuda", NEW, "cuda"),
        ("cuda", None, "launch_no_driver"),
        ("cuda", OLD, "launch_old_driver"),
    ],
)
def test_the_driver_decides_the_set_unless_the_person_does(
    device: str, driver: Driver | None, expected: str
) -> None:
    try:
        assert machine.engine_set(device, driver) == expected
    except LaunchError as refused:
        assert refused.key == expected


def test_the_device_is_read_as_the_settings_will_read_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from chatapp.arguments import parse

    assert start.chosen_device(parse([])) == "auto"
    locations.settings_file().parent.mkdir(parents=True)
    locations.settings_file().write_text('device = "cuda"')
    assert start.chosen_device(parse([])) == "cuda"
    monkeypatch.setenv("EAGLECHAT_DEVICE", "cpu")
    assert start.chosen_device(parse([])) == "cpu"
    assert start.chosen_device(parse(["--device", "cuda"])) == "cuda"


# The stamp


def test_an_install_is_finished_when_its_stamp_is_written(project: Path) -> None:
    assert not stamp.is_current("cpu")
    stamp.write("cpu")
    assert stamp.is_current("cpu")
    assert not stamp.is_current("cuda") and not stamp.is_current("test")
    stamp.write("test")
    assert stamp.is_current("cpu") and stamp.is_current("test")
    stamp.write("cuda")
    assert not stamp.is_current("cpu"), "the two engine sets exclude each other"


def _append(name: str, text: str = "# changed\n") -> Callable[[Path], None]:
    def do(project: Path) -> None:
        with (project / name).open("a") as file:
            file.write(text)

    return do


def _other_python(project: Path) -> None:
    stamp.python().unlink()
    stamp.python().symlink_to("/bin/sh")


def _half_written(project: Path) -> None:
    path = locations.venv() / "eaglechat-engine.stamp"
    path.rename(path.with_suffix(".new"))


@pytest.mark.parametrize(
    "change",
    [
        _append("assets/requirements/cpu.txt"),
        _append("assets/requirements/app.txt"),
        _append("pyproject.toml", 'version = "2"\n'),
        _other_python,
        _half_written,
        lambda project: shutil.rmtree(project / ".venv"),
        lambda project: stamp.python().unlink(),
        lambda project: stamp.remove("cpu"),
    ],
)
def test_what_the_install_followed_from_must_be_the_same(
    project: Path, change: Callable[[Path], None]
) -> None:
    stamp.write("cpu")
    assert stamp.is_current("cpu")
    change(project)
    assert not stamp.is_current("cpu")


def test_the_rules_of_the_gates_are_no_part_of_an_install(project: Path) -> None:
    stamp.write("cpu")
    _append("pyproject.toml", "[tool.ruff]\nline-length = 90\n")(project)
    assert stamp.is_current("cpu")


def test_a_moved_checkout_is_installed_again(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp.write("cpu")
    moved = tmp_path_factory.mktemp("moved") / "here"
    shutil.copytree(project, moved, symlinks=True)
    monkeypatch.setattr(locations, "project", lambda: moved)
    assert (locations.venv() / "eaglechat-engine.stamp").exists()
    assert not stamp.is_current("cpu")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(text=st.text(alphabet="abc=.0123456789\n#", max_size=40))
def test_only_the_same_requirements_are_the_same(project: Path, text: str) -> None:
    path = project / "assets" / "requirements" / "app.txt"
    before = path.read_text()
    stamp.write("cpu")
    path.write_text(text)
    assert stamp.is_current("cpu") == (text == before)
    path.write_text(before)


# The install, with pip replaced at its one seam


class FakePip:
    """Stands for ``Pip.run``: remembers commands, makes the venv, fails where told."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.stop_at: int | None = None
        self.answers: dict[str, tuple[int, list[str]]] = {}

    def __call__(self, pip: Pip, command: Sequence[str]) -> tuple[int, list[str]]:
        if self.stop_at == len(self.commands):
            raise KeyboardInterrupt
        self.commands.append(list(command))
        if "venv" in command:
            _make_venv()
        elif command[0] == str(stamp.python()) and not stamp.python().exists():
            raise FileNotFoundError(command[0])
        line = " ".join(command)
        return next((a for part, a in self.answers.items() if part in line), (0, []))

    def installs(self) -> list[str]:
        return [" ".join(c[c.index("install") + 5 :]) for c in self.commands if "install" in c]


@pytest.fixture
def fake(project: Path, monkeypatch: pytest.MonkeyPatch) -> FakePip:
    fake = FakePip()
    shutil.rmtree(project / ".venv")
    monkeypatch.setattr(Pip, "run", lambda pip, command: fake(pip, command))
    monkeypatch.setattr(network, "sources", lambda python: network.Sources("https://x", True))
    monkeypatch.setattr(network, "answers", lambda url: True)
    monkeypatch.setattr(install, "free_bytes", lambda path: 10**12)
    return fake


def _install(engine: str = "cpu", tests: bool = False) -> install.InstallPlan:
    plan = install.InstallPlan(engine, tests)
    install.install(plan, Texts("en"))
    return plan


def test_a_first_install_does_everything_in_order(fake: FakePip, project: Path) -> None:
    assert _install(tests=True).is_done()
    requirements = project / "assets" / "requirements"
    assert fake.installs() == [
        "--no-deps torch==2+cpu",
        f"--no-deps -r {requirements / 'cpu.txt'}",
        f"--no-deps --no-build-isolation -e {project}",
        f"--no-deps -r {requirements / 'test.txt'}",
    ]


def test_on_a_gpu_torch_comes_with_the_set(fake: FakePip, monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[Path] = []
    monkeypatch.setattr(cuda_home, "lay", laid.append)
    _install("cuda")
    assert len(fake.installs()) == 2 and laid == [locations.venv()]
    assert not any(line.startswith("--no-deps torch") for line in fake.installs())


def test_without_a_cpu_build_pytorchs_index_is_tried_and_then_the_plain_one(
    fake: FakePip,
) -> None:
    fake.answers["torch==2+cpu"] = (1, ["ERROR: No matching distribution found for torch==2+cpu"])
    assert _install().is_done()
    asked = [line for line in fake.installs() if "torch==" in line]
    assert len(asked) == 3
    assert install.PYTORCH_CPU_INDEX in asked[1] and asked[2] == "torch==2"


def test_the_plain_torch_needs_more_room(fake: FakePip, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.answers["torch==2+cpu"] = (1, ["ERROR: No matching distribution found for torch==2+cpu"])
    monkeypatch.setattr(install, "free_bytes", lambda path: 6 * 10**9)
    with pytest.raises(LaunchError) as refused:
        _install()
    assert refused.value.values["needed"] == "10.0"
    assert not any(line.endswith("torch==2") for line in fake.installs())


@pytest.mark.parametrize("stop_at", range(7))
def test_an_interrupted_install_is_never_taken_for_finished(
    fake: FakePip, project: Path, stop_at: int
) -> None:
    fake.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        _install(tests=True)
    assert not install.InstallPlan("cpu", True).is_done()
    assert not stamp.is_current("cpu") and not stamp.is_current("test")
    fake.stop_at = None
    made_before = stamp.python().exists()
    fake.commands.clear()
    assert _install(tests=True).is_done()
    made_again = any("venv" in command for command in fake.commands)
    assert made_again != made_before, "what was made is kept, what was not is made"


def test_an_upgrade_that_is_interrupted_is_not_finished_either(
    fake: FakePip, project: Path
) -> None:
    _install()
    _append("assets/requirements/app.txt")(project)
    assert not install.InstallPlan("cpu", False).is_done()
    fake.stop_at = len(fake.commands) + 2
    with pytest.raises(KeyboardInterrupt):
        _install()
    (project / "assets/requirements/app.txt").write_text("gradio==1\n")
    assert not install.InstallPlan("cpu", False).is_done(), "the old stamp must be gone"


def test_a_package_that_is_missing_at_the_end_is_named(fake: FakePip) -> None:
    fake.answers["chatapp.launch.complete"] = (1, ["gradio==1"])
    with pytest.raises(LaunchError) as refused:
        _install()
    assert refused.value.key == "launch_incomplete" and "gradio" in refused.value.values["reason"]
    assert not install.InstallPlan("cpu", False).is_done()


def test_a_venv_whose_pip_does_not_answer_is_made_again(fake: FakePip) -> None:
    _make_venv()
    (locations.venv() / "rest of something").touch()
    fake.answers["-m pip --version"] = (1, ["No module named pip"])
    assert _install().is_done()
    assert not (locations.venv() / "rest of something").exists()


def test_a_full_disk_is_said_before_anything_is_done(
    fake: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(install, "free_bytes", lambda path: 3 * 10**8)
    with pytest.raises(LaunchError) as refused:
        _install()
    assert (refused.value.values["needed"], refused.value.values["free"]) == ("5.0", "0.3")
    assert fake.commands == []


def test_without_network_or_another_source_it_stops_at_once(
    fake: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "answers", lambda url: False)
    monkeypatch.setattr(network, "sources", lambda python: network.Sources("https://x", False))
    with pytest.raises(LaunchError) as refused:
        _install()
    assert refused.value.key == "launch_network" and fake.installs() == []
    monkeypatch.setattr(network, "sources", lambda python: network.Sources("https://x", True))
    assert _install().is_done(), "a folder of wheels needs no network"


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("ERROR: [Errno 28] No space left on device", "launch_disk_full"),
        ("ERROR: Could not install: [Errno 13] Permission denied: '/x'", "launch_permission"),
        ("SSLError(... CERTIFICATE_VERIFY_FAILED ...)", "launch_certificate"),
        ("NewConnectionError: Failed to establish a new connection", "launch_network"),
        ("ReadTimeoutError: Read timed out.", "launch_network"),
        ("ERROR: No matching distribution found for gradio==9", "launch_not_offered"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "launch_damaged"),
        ("ERROR: something else", "launch_pip"),
        ("", "launch_pip"),
    ],
)
def test_what_pip_says_becomes_one_sentence_with_the_log(said: str, key: str) -> None:
    error = _error(["Collecting gradio", said], Path("/p/install.log"))
    assert error.key == key
    for language in ("zh", "en"):
        assert "/p/install.log" in error.words(Texts(language))
        assert "\n" not in error.words(Texts(language))


# A package that was half copied


def _package(site_packages: Path, name: str) -> Path:
    (site_packages / name).mkdir(parents=True)
    (site_packages / name / "code.py").write_text("x = 1\n")
    metadata = site_packages / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "INSTALLER").write_text("pip\n")
    rows = (f"{name}/code.py,,6", f"{metadata.name}/INSTALLER,,4", f"{metadata.name}/RECORD,,")
    (metadata / "RECORD").write_text("\n".join(rows))
    return metadata


@pytest.mark.parametrize(
    "damage",
    [
        lambda site, metadata: (metadata / "RECORD").unlink(),
        lambda site, metadata: (metadata / "RECORD").write_text("half/code.py,,6\n"),
        lambda site, metadata: (site / "half" / "code.py").write_text(""),
        lambda site, metadata: (site / "half" / "code.py").unlink(),
    ],
)
def test_a_half_copied_package_is_forgotten_so_that_pip_brings_it_again(
    tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    half, whole = _package(site, "half"), _package(site, "whole")
    assert repair.remove_broken(tmp_path) == []
    damage(site, half)
    (site / "~alf").mkdir()
    assert repair.remove_broken(tmp_path) == ["half"]
    assert not half.exists() and whole.exists() and not (site / "~alf").exists()


# Two at once


def test_the_second_installer_waits_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    path.parent.mkdir()
    waited: list[float] = []
    with path.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.3, lambda: fcntl.flock(held, fcntl.LOCK_UN)).start()
        with only_one(path, lambda: waited.append(time.monotonic())):
            assert len(waited) == 1 and time.monotonic() - waited[0] > 0.2
    with only_one(path, lambda: waited.append(0)):
        assert len(waited) == 1


def test_a_finished_install_is_not_done_again_after_waiting(
    fake: FakePip, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = install.InstallPlan("cpu", False)
    answers = iter([False, True])
    monkeypatch.setattr(install.InstallPlan, "is_done", lambda self: next(answers))
    start.ensure(plan, Texts("en"))
    assert fake.commands == []


# What is shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    progress = ProgressDisplay(Texts("en"), 2, stream)
    with progress.step("torch"):
        progress.detail("downloading", name="torch", size="9 MB")
    assert stream.getvalue() == "[1/2] torch for the CPU\n[1/2] torch for the CPU ✓ 0:00\n"


def test_a_long_step_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, clock = io.StringIO(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    progress = ProgressDisplay(Texts("en"), 2, stream)
    with progress.step("torch"):
        progress.detail("downloading", name="torch", size="9 MB")
        for _ in range(31):
            clock[0] += 1
            progress.tick()
    beats = [line for line in stream.getvalue().splitlines() if "9 MB" in line]
    assert [line.rpartition(" ")[2] for line in beats] == ["0:10", "0:20", "0:30"]


def test_one_moving_line_on_a_terminal() -> None:
    stream = Terminal()
    progress = ProgressDisplay(Texts("zh"), 1, stream)
    with progress.step("torch"):
        time.sleep(0.11)
        progress.detail("collecting", name="torch")
    assert stream.getvalue().count("\n") == 1 and "\r" in stream.getvalue()


@given(st.text(alphabet="ab 鹰聊", max_size=30), st.integers(0, 40))
def test_a_line_never_wraps(text: str, columns: int) -> None:
    cut = _fit(text, columns)
    assert text.startswith(cut)
    assert sum(2 if ch in "鹰聊" else 1 for ch in cut) <= columns


# Handing over


def test_other_pythons_paths_are_not_handed_over() -> None:
    assert start.environment({"PYTHONPATH": "/x", "PYTHONHOME": "/y", "A": "b"}) == {"A": "b"}


def test_the_index_is_the_one_that_pip_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    found = network.sources(Path(sys.executable))
    assert (found.host, found.others) == ("pypi.org", False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    found = network.sources(Path(sys.executable))
    assert (found.host, found.others) == ("mirror.example", True)


def test_a_closed_port_does_not_answer() -> None:
    assert not network.answers("http://127.0.0.1:9/simple", 2)
    assert not network.answers("file:///nowhere", 2)


def test_every_requirement_is_pinned_and_no_place_is_named() -> None:
    for path in (locations.assets() / "requirements").glob("*.txt"):
        for line in path.read_text("utf-8").splitlines():
            fine = not line or line.startswith(("#", "-r ")) or "==" in line.partition(";")[0]
            assert fine, f"{path.name}: {line}"
            assert "://" not in line


def test_the_cuda_compiler_fits_its_headers() -> None:
    """nvcc refuses headers of another release."""
    pins = {pin.name: pin for pin in map(Requirement, complete.pins("cuda"))}
    parts = ("nvidia-cuda-nvcc", "nvidia-nvvm", "nvidia-cuda-crt", "nvidia-cuda-runtime")
    releases = {name: Version(next(iter(pins[name].specifier)).version).release for name in parts}
    assert len({release[:2] for release in releases.values()}) == 1, releases


def test_both_sets_are_closed_over_the_common_list() -> None:
    assert [p.stem for p in stamp.requirement_files("cpu")] == ["cpu", "app"]
    assert [p.stem for p in stamp.requirement_files("cuda")] == ["cuda", "app"]
    assert "sglang==0.5.23" in stamp.requirement_files("cpu")[0].read_text()
    assert "sglang==0.5.23" in stamp.requirement_files("cuda")[0].read_text()


@pytest.mark.parametrize(
    ("line", "count", "shown"),
    [
        ("Collecting gradio==6 (from -r x (line 1))\n", 0, "looking for gradio"),
        ("  Downloading torch-2.13.0+cpu-cp311.whl (190 MB)\n", 0, "downloading torch (190 MB)"),
        ("  Downloading https://x/a/torch-2.whl (1 kB)\n", 0, "downloading torch (1 kB)"),
        ("Requirement already satisfied: numpy==2 in /x\n", 0, "numpy is there"),
        ("Installing collected packages: a, b, c\n", 3, "unpacking 3 packages"),
        ("Looking in links: /wheels\n", 0, ""),
    ],
)
def test_what_pip_does_is_shown(line: str, count: int, shown: str, tmp_path: Path) -> None:
    texts, details = Texts("en"), [""]

    class Details(ProgressDisplay):
        def detail(self, key: str, **values: object) -> None:
            details.append(texts(f"launcher.details.{key}", **values))

    progress = Details(texts, 1, io.StringIO())
    pip = Pip(tmp_path / "bin" / "python", tmp_path / "log", tmp_path / "tmp", progress)
    assert pip.show(line) == count
    assert details[-1] == shown


def test_the_cpu_set_is_closed() -> None:
    """What its packages need is pinned too, since they are installed without their needs."""
    pins = [Requirement(line) for line in complete.pins("cpu")]
    pinned = {canonicalize_name(pin.name): pin for pin in pins}
    for name in sorted(pinned.keys() - {"sglang"}):  # whose own list is for CUDA only
        if pinned[name].marker and not pinned[name].marker.evaluate():
            continue
        for line in requires(name) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                found = canonicalize_name(need.name)
                assert found in pinned or found.startswith("nvidia-"), f"{name} needs {line}"


def test_the_error_of_a_launcher_is_an_error_like_any_other() -> None:
    assert issubclass(LaunchError, ProductError)
