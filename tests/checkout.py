"""A copy of the project that asks for tiny packages, so that the whole launcher can be run
with a real venv and a real pip."""

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
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


def wheel(folder: Path, name: str, version: str, code: tuple[str, str]) -> None:
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


def packaging(folder: Path) -> str:
    """The real ``packaging``, which the check at the end of an install needs."""
    found = importlib.util.find_spec("packaging")
    assert found is not None and found.origin is not None
    wheel(folder, "packaging", "99", ("packaging/py.typed", ""))
    with zipfile.ZipFile(folder / "packaging-99-py3-none-any.whl", "a") as made:
        for path in Path(found.origin).parent.rglob("*.py"):
            made.write(path, path.relative_to(Path(found.origin).parent.parent))
    return "packaging==99\n"


@dataclass(frozen=True)
class Checkout:
    """A copy of the project that asks for tiny packages."""

    root: Path
    wheels: Path
    hold: Path
    device: str = "cpu"
    extra: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PIP_")}
        return {
            **clean,
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "HOLD": str(self.hold),
            "LC_ALL": "C.UTF-8",
            **self.extra,
        }

    def command(self, *arguments: str) -> list[str]:
        launcher = str(self.root / "launcher.py")
        return [sys.executable, launcher, "--device", self.device, *arguments]

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=cwd or self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, cwd: Path | None = None) -> tuple[dict[str, Any], str]:
        """What was handed over, and what was said on the way."""
        out, said = self.start(*arguments, cwd=cwd).communicate(timeout=WITHIN_S)
        assert out, said
        return json.loads(out), said

    def want(self, requirements: str, name: str = "cpu") -> None:
        (self.root / "assets" / "requirements" / f"{name}.txt").write_text(requirements)

    def wait_until_held(self) -> None:
        reached = self.hold.with_suffix(".reached")
        deadline = time.monotonic() + WITHIN_S
        while not reached.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        reached.unlink()


def make_checkout(
    root: Path, wheels: Path, hold: Path, device: str = "cpu", extra: Mapping[str, str] = {}
) -> Checkout:
    real = locations.project()
    shutil.copy(real / "launcher.py", root)
    shutil.copytree(real / "chatapp", root / "chatapp")
    shutil.copytree(real / "assets" / "texts", root / "assets" / "texts")
    (root / "chatapp" / "__main__.py").write_text(_MAIN)
    (root / "pyproject.toml").write_text(_BUILD + '[project]\nname = "eaglechat"\nversion = "1"\n')
    (root / "backend.py").write_text(_backend("eaglechat", "1", ("eaglechat.pth", str(root))))
    wheel(wheels, "torch", "2.13.0+cpu", ("torch.py", ""))
    wheel(wheels, "quick", "1", ("quick.py", ""))
    _slow_source(wheels, "1")
    _slow_source(wheels, "2")
    made = Checkout(root, wheels, hold, device, extra)
    (root / "assets" / "requirements").mkdir()
    made.want("torch==2.13.0\nquick==1\nslow==1\n" + packaging(wheels))
    return made
