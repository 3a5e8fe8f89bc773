"""A name stands for one thing: no two public classes and no two modules share one."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "chatapp"
MODULES = [path for path in ROOT.rglob("*.py") if not path.name.startswith("__")]


def public_classes(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def test_no_two_public_classes_have_one_name() -> None:
    homes = defaultdict(list)
    for path in MODULES:
        for name in public_classes(path):
            homes[name].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_no_two_modules_have_one_name() -> None:
    """A command's module has the name of the command, whatever room is behind it."""
    homes = defaultdict(list)
    for path in MODULES:
        if path.parent.name != "commands":
            homes[path.stem].append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}
