"""``check``: each gate finds what it is there for, and nothing goes on behind one that did."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from argparse import Namespace
from pathlib import Path

import pytest

from chatapp import locations
from chatapp.commands import browser, check
from chatapp.commands import test as command
from chatapp.settings import Settings
from chatapp.texts import Texts

# For each contract one import that breaks it.
_VIOLATIONS = {
    "rooms": ("measure/__init__.py", "import chatapp.engine"),
    "circles": ("measure/compare/verdict.py", "import chatapp.measure.bench.job"),
    "engine": ("engine/client.py", "import torch"),
    "gradio": ("application/latest.py", "import gradio"),
    "sql": ("application/latest.py", "import sqlite3"),
    "launch": ("launch/lock.py", "import httpx"),
    "shared": ("texts.py", "import chatapp.domain"),
    "plugin": ("sglang_plugin/lengths.py", "import chatapp.domain"),
}


def test_an_import_against_a_contract_is_found(tmp_path: Path) -> None:
    project, copy = locations.project(), tmp_path / "copy"
    shutil.copytree(project / "chatapp", copy / "chatapp")
    (copy / "tests").mkdir()
    for name in ("pyproject.toml", "tests/contracts.py"):
        shutil.copy(project / name, copy / name)
    for path, line in _VIOLATIONS.values():
        with (copy / "chatapp" / path).open("a") as file:
            file.write(f"\n{line}\n")
    linter = str(Path(sys.executable).with_name("lint-imports"))
    done = subprocess.run([linter, "--no-cache"], cwd=copy, capture_output=True, text=True)
    contracts = tomllib.loads((copy / "pyproject.toml").read_text())["tool"]["importlinter"]
    names = {contract["id"]: contract["name"] for contract in contracts["contracts"]}
    assert names.keys() == _VIOLATIONS.keys()
    kept = [name for name, line in names.items() if f"{line} BROKEN" not in done.stdout]
    assert not kept, done.stdout


def test_what_a_gate_found_is_shown_with_what_to_do() -> None:
    said: list[str] = []
    gates = (
        check.Gate("lint", ("python", "-c", "print('line 7: too long'); raise SystemExit(1)")),
        check.Gate("format", ("python", "-c", "")),
        check.Gate("imports", ("no-such-program",)),
    )
    assert not check.passes(Texts("en"), said.append, gates)
    assert [line[0] for line in said if line[0] in "✓✗"] == ["✗", "✓", "✗"]
    assert "line 7: too long" in said and "no-such-program" in said[-2]
    assert said[-1].startswith("  → ")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_gate_has_its_words(language: str) -> None:
    texts = Texts(language)
    for gate in check.GATES:
        assert texts(f"check.names.{gate.name}") and texts(f"check.cures.{gate.name}")


@pytest.mark.parametrize(
    ("words", "gates_first"),
    [
        ([], True),
        (["-x", "--durations=5"], True),
        (["tests/unit/test_check.py"], False),
        (["-k", "store"], False),
    ],
)
def test_all_tests_begin_with_the_gates_and_stop_there(
    words: list[str], gates_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []

    def fail(*_: object) -> bool:
        reached.append("gates")
        return False

    def none_here(*_: object) -> Path:
        reached.append("browser")
        raise browser.TestBrowserError("test_browser_missing")

    monkeypatch.setattr(check, "passes", fail)
    monkeypatch.setattr(browser, "find_or_get", none_here)
    assert command.main(Namespace(rest=words), Settings.load()) == 1
    assert reached == (["gates"] if gates_first else ["browser"])
