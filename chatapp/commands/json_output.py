"""JSON on standard output: UTF-8, whatever the terminal says of itself."""

from __future__ import annotations

import json
import sys
from io import TextIOWrapper
from typing import Any


def print_json(value: Any) -> None:
    """One line."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    print(json.dumps(value, ensure_ascii=False), flush=True)
