"""Reads the small JSON files of a model folder. Raises PairError when one is not right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chatapp.errors import PairError

_NUMBERS = ("vocab_size", "hidden_size", "num_hidden_layers")


def configuration(folder: Path) -> dict[str, Any]:
    """``config.json``, with the numbers in it that every model has."""
    path = folder / "config.json"
    config = read(path)
    if not all(_positive(config.get(name)) for name in _NUMBERS):
        raise PairError("pair_file_damaged", path=path)
    return config


def read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError:
        raise PairError("pair_file_missing", path=path) from None
    except ValueError:
        raise PairError("pair_file_damaged", path=path) from None
    if not isinstance(value, dict):
        raise PairError("pair_file_damaged", path=path)
    return value


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
