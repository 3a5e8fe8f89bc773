"""The catalogues say the same things, and a language is one catalogue and one row."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import Formatter

import pytest

from chatapp import locations
from chatapp.texts import FALLBACK, LANGUAGES, Texts, nearest_language

_OTHERS = [language for language in LANGUAGES if language != FALLBACK]
_LOOK = """
from chatapp.settings import Settings
from chatapp.texts import Texts, nearest_language
from chatapp.ui.panes import empty, rail

texts = Texts(nearest_language("eo-XX,en;q=0.8"))
print(Settings.load(language="eo").language, texts.row.tag)
print(rail.choices(texts), empty.empty(texts))
"""


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", _OTHERS)
def test_every_catalogue_has_every_key_with_the_same_places(language: str) -> None:
    one, other = Texts(FALLBACK), Texts(language)
    assert one.keys() == other.keys()
    differ = {key for key in one.keys() if _places(one(key)) != _places(other(key))}
    assert not differ


@pytest.mark.parametrize(
    ("wanted", "language"),
    [("zh_TW.UTF-8", "zh"), ("zh-CN,en;q=0.8", "zh"), ("en", "en"), ("fr-FR", "en"), ("", "en")],
)
def test_the_nearest_language_is_taken(wanted: str, language: str) -> None:
    assert nearest_language(wanted) == language


def test_a_language_is_added_as_the_guide_says(tmp_path: Path) -> None:
    project, copy = locations.project(), tmp_path / "copy"
    without = shutil.ignore_patterns("__pycache__", "*.safetensors", "screenshot.png")
    for folder in ("chatapp", "assets"):
        shutil.copytree(project / folder, copy / folder, ignore=without)
    catalogues, table = copy / "assets" / "texts", copy / "chatapp" / "texts.py"
    english = (catalogues / "en.toml").read_text("utf-8")
    esperanto = re.sub(r'(?m)^(\w+ = ")(?=.)', r"\1Eo: ", english)
    (catalogues / "eo.toml").write_text(esperanto, "utf-8")
    row = 'Locale("en", "English", "en"),'
    rows = f'{row}\n        Locale("eo", "Esperanto", "eo"),'
    table.write_text(table.read_text("utf-8").replace(row, rows), "utf-8")

    environment = {**os.environ, "PYTHONPATH": str(copy), "LC_ALL": "eo.UTF-8"}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Eo: show this help and end" in run("-m", "chatapp", "--help")
    page = run("-c", _LOOK)
    assert page.startswith("eo eo\n")
    assert 'data-value="eo" lang="eo" aria-pressed="true">Esperanto</button>' in page
    assert "Eo: Chat with a model that speculates" in page
