"""The whole launcher with a real venv and a real pip, on tiny packages from a folder."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatapp import locations

WITHIN_S = 120
# Hands out what it was handed, in place of the application.
_MAIN = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "prefix": sys.prefix, "cwd": os.getcwd()}))
"""
# A build backend in the standard library. While the file HOLD is there, it does not end.
_BACKEND = """
import os, pathlib, time, zipfile
NAME, VERSION, CODE = {name!r}, {version!r}, {code!r}
def build_wheel(folder, config_settings=None, metadata_directory=None):
    hold = pathlib.Path(os.environ.get("HOLD", "/nonexistent"))
    while {slow} and hold.exists():
        hold.with_suffix(".reached").touch()
        time.sleep(0.05)
    file = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, file), "w") as wheel:
        wheel.writestr(*CODE)
        wheel.writestr(f"{{info}}/METADATA",
            f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n")
        wheel.writestr(f"{{info}}/WHEEL",
            "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{{info}}/RECORD",
            "".join(f"{{f}},,\\n" for f in wheel.namelist()) + f"{{info}}/RECORD,,\\n")
    return file
build_editable = build_wheel
"""
_BUILD = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def _backend(name: str, version: str, code: tuple[str, str], slow: bool = False) -> str:
    return _BACKEND.format(name=name, version=version, code=code, slow=slow)


def _wheel(folder: Path, name: str, version: str, code: tuple[str, str]) -> None:
    names: dict[str, Any] = {}
    exec(_backend(name, version, code), names)
    names["build_wheel"](str(folder))


def _slow_source(folder: Path, version: str) -> None:
    """A source package, so that an install can be held in its middle."""
    name = f"slow-{version}"
    files = {
        "pyproject.toml": _BUILD + f'[project]\nname = "slow"\nversion = "{version}"\n',
        "PKG-INFO": f"Metadata-Version: 2.1\nName: slow\nVersion: {version}\n",
        "backend.py": _backend("slow", version, ("slow.py", ""), slow=True),
    }
    with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))


def _packaging(folder: Path) -> str:
    """The real ``packaging``, which the check at the end of an install needs."""
    found = importlib.util.find_spec("packaging")
    assert found is not None and found.origin is not None
    _wheel(folder, "packaging", "99", ("packaging/py.typed", ""))
    with zipfile.ZipFile(folder / "packaging-99-py3-none-any.whl", "a") as wheel:
        for path in Path(found.origin).parent.rglob("*.py"):
            wheel.write(path, path.relative_to(Path(found.origin).parent.parent))
    return "packaging==99\n"


@dataclass(frozen=True)
class Checkout:
    """A copy of the project that asks for tiny packages."""

    root: Path
    wheels: Path
    hold: Path

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        environment = {
            **clean,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "HOLD": str(self.hold),
            "LC_ALL": "C.UTF-8",
        }
        command = [sys.executable, str(self.root / "launcher.py"), "--device", "cpu", *arguments]
        return subprocess.Popen(
            command,
            cwd=cwd or self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None) -> tuple[dict[str, Any], str]:
        """What was handed over, and what was said on the way."""
        out, said = self.start(*arguments, cwd=cwd).communicate(timeout=WITHIN_S)
        assert out, said
        return json.loads(out), said

    def want(self, requirements: str) -> None:
        (self.root / "assets" / "requirements" / "cpu.txt").write_text(requirements)

    def wait_until_held(self) -> None:
        reached = self.hold.with_suffix(".reached")
        deadline = time.monotonic() + WITHIN_S
        while not reached.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        reached.unlink()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    root, wheels = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheels")
    real = locations.project()
    shutil.copy(real / "launcher.py", root)
    shutil.copytree(real / "chatapp", root / "chatapp")
    shutil.copytree(real / "assets" / "texts", root / "assets" / "texts")
    (root / "chatapp" / "__main__.py").write_text(_MAIN)
    (root / "pyproject.toml").write_text(_BUILD + '[project]\nname = "eaglechat"\nversion = "1"\n')
    (root / "backend.py").write_text(_backend("eaglechat", "1", ("eaglechat.pth", str(root))))
    _wheel(wheels, "torch", "2.13.0+cpu", ("torch.py", ""))
    _wheel(wheels, "quick", "1", ("quick.py", ""))
    _slow_source(wheels, "1")
    _slow_source(wheels, "2")
    made = Checkout(root, wheels, tmp_path_factory.mktemp("hold") / "hold")
    (root / "assets" / "requirements").mkdir()
    made.want("torch==2.13.0\nquick==1\nslow==1\n" + _packaging(wheels))
    yield made
    made.hold.unlink(missing_ok=True)


def test_an_install_that_was_killed_is_continued(checkout: Checkout, tmp_path: Path) -> None:
    checkout.hold.touch()
    first = checkout.start("doctor")
    checkout.wait_until_held()
    first.kill()
    out, said = first.communicate(timeout=WITHIN_S)
    assert out == "" and "[5/7]" in said
    assert (checkout.root / ".venv" / "bin" / "python").exists()
    assert not list((checkout.root / ".venv").glob("*.stamp"))
    checkout.hold.unlink()

    handed, said = checkout.run("ask", "你好", "--seed", "3", cwd=tmp_path)
    assert handed == {
        "argv": ["--device", "cpu", "ask", "你好", "--seed", "3"],
        "prefix": str(checkout.root / ".venv"),
        "cwd": str(tmp_path),
    }
    assert "does not answer" in said and "[7/7]" in said
    assert "Installed." in said


def test_later_runs_reach_the_application_in_under_a_second(checkout: Checkout) -> None:
    checkout.run("doctor")
    times = []
    for _ in range(3):
        began = time.monotonic()
        handed, said = checkout.run("doctor")
        times.append(time.monotonic() - began)
        assert handed["argv"] == ["--device", "cpu", "doctor"] and said == ""
    assert min(times) < 1.0, times


def test_the_second_of_two_launchers_waits_for_the_first(checkout: Checkout) -> None:
    checkout.run("doctor")
    cpu = checkout.root / "assets" / "requirements" / "cpu.txt"
    checkout.want(cpu.read_text().replace("slow==1", "slow==2"))
    checkout.hold.touch()
    first = checkout.start("doctor")
    checkout.wait_until_held()
    second = checkout.start("ask", "hi")
    assert second.stderr is not None
    waiting = second.stderr.readline()
    assert "waiting" in waiting and second.poll() is None
    checkout.hold.unlink()
    first_out, first_said = first.communicate(timeout=WITHIN_S)
    second_out, second_said = second.communicate(timeout=WITHIN_S)
    assert json.loads(first_out)["argv"][-1] == "doctor"
    assert json.loads(second_out)["argv"][-1] == "hi"
    assert "Installed." in first_said and "Install" not in second_said


def test_a_deleted_environment_is_made_again(checkout: Checkout) -> None:
    checkout.run("doctor")
    shutil.rmtree(checkout.root / ".venv")
    handed, said = checkout.run("doctor")
    assert handed["prefix"] == str(checkout.root / ".venv") and "Installed." in said


def test_a_package_that_is_not_offered_ends_with_one_sentence(checkout: Checkout) -> None:
    cpu = checkout.root / "assets" / "requirements" / "cpu.txt"
    before = cpu.read_text()
    checkout.want(before + "nowhere==7\n")
    process = checkout.start("doctor")
    out, said = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, out) == (1, "")
    last = said.strip().splitlines()[-1]
    assert "nowhere==7" in last and "install.log" in last and "Traceback" not in said
    checkout.want(before)
    checkout.run("doctor")
