"""Every example of the contributing guide is true: a copy is changed as the guide says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp import locations

_EXAMPLE = re.compile(r"`([^`\n]+)`:\n\n```diff\n(.*?)```$", re.MULTILINE | re.DOTALL)
_LOOK = """
from dataclasses import replace
from chatapp.domain import Chunk, Message, MessageState, Role, Tree
from chatapp.engine.diagnosis import diagnose
from chatapp.errors import EngineError
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Arrival, Trace
from chatapp.pairs.catalogue import known_pairs
from chatapp.settings import Settings
from chatapp.texts import Texts, nearest_language
from chatapp.ui.panes import empty, figures, rail

arrivals = [Arrival(0.1, 1, 0), Arrival(0.2, 9, 2)]
metrics = metrics_of(Trace(True, step_lengths=(2, 6), arrivals=arrivals))
reply = Message(1, 1, Role.ASSISTANT, "", MessageState.FINISHED, 0.0, figures=metrics)
for language in ("en", "zh", "eo"):
    print(figures.panel(Texts(language), reply, True, [reply], Tree(7, 1, 8)))
    print(EngineError(*diagnose(["the moon is down"], 1)[:1], line="x").words(Texts(language)))
print(known_pairs()["mine"].title)

texts = Texts(nearest_language("eo-XX,en;q=0.8"))
print(Settings.load(language="eo").language, texts.row.tag)
print(rail.choices(texts), empty.empty(texts))
"""


def _follow(guide: str, copy: Path) -> int:
    """Changes ``copy`` as the examples say: lines with a plus come behind the line above them,
    or at the end of the file. Gives how many there are."""
    examples = _EXAMPLE.findall(guide)
    for name, example in examples:
        before = [line[1:] for line in example.splitlines() if line.startswith(" ")]
        added = [line[1:] for line in example.splitlines() if line.startswith("+")]
        text = (copy / name).read_text("utf-8")
        lines = text.splitlines()
        assert [lines.count(line) for line in before] == [1] * len(before), (name, before)
        at = lines.index(before[-1]) + 1 if before else len(lines)
        lines[at:at] = added if before else ["", *added]
        (copy / name).write_text("\n".join(lines) + "\n", "utf-8")
    return len(examples)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project, copy = locations.project(), tmp_path_factory.mktemp("guide") / "copy"
    without = shutil.ignore_patterns("__pycache__", "*.safetensors", "screenshot.png")
    for folder in ("chatapp", "assets"):
        shutil.copytree(project / folder, copy / folder, ignore=without)
    shutil.copy(project / "pyproject.toml", copy)
    guide = (project / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    assert _follow(guide, copy) == guide.count("```diff")
    catalogues = copy / "assets" / "texts"
    english = (catalogues / "en.toml").read_text("utf-8")
    esperanto = re.sub(r'(?m)^(\w+ = ")(?=.)', r"\1Eo: ", english)
    (catalogues / "eo.toml").write_text(esperanto, "utf-8")
    return copy


def _run(copy: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(copy), "LC_ALL": "eo.UTF-8"}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_figure_diagnosis_pair_and_language_are_there(changed: Path) -> None:
    page = _run(changed, sys.executable, "-c", _LOOK)
    assert all(label in page for label in ("Longest step", "最长一步", "Eo: Longest step"))
    assert page.count(">6<") >= 3, "the longest of the two steps"
    assert "The engine needs the moon. It said: x" in page and "引擎需要月亮。" in page
    assert "My target + its EAGLE-3 draft" in page
    assert "\neo eo\n" in page and "Eo: Chat with a model that speculates" in page
    assert 'data-value="eo" lang="eo" aria-pressed="true">Esperanto</button>' in page
    assert "Eo: show this help and end" in _run(changed, sys.executable, "-m", "chatapp", "-h")


def test_what_the_guide_writes_passes_the_gates(changed: Path) -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    _run(changed, ruff, "check", "--no-cache", "chatapp")
    _run(changed, ruff, "format", "--no-cache", "--check", "chatapp")


def test_every_file_that_the_guide_names_is_there() -> None:
    """Of those to be made, a language's catalogue and a drafter's modules, it says so."""
    project = locations.project()
    guide = (project / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"[\w/]+/\w+\.(?:py|toml|js)\b", guide))
    named = {name for name in named if "NAME" not in name and "eo.toml" not in name}
    folders = (project, project / "chatapp")
    assert len(named) > 25
    assert [n for n in named if not any((folder / n).exists() for folder in folders)] == []
