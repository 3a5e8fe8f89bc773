"""``bench``: what was asked for decides which module measures."""

from __future__ import annotations

import importlib
from argparse import Namespace

from chatapp.settings import Settings

_MODULES = {"switch": "bench_switch", "mt-bench": "bench_mt", "tune": "bench_tune"}


def main(arguments: Namespace, settings: Settings) -> int:
    module = importlib.import_module(f"chatapp.commands.{_MODULES[arguments.what]}")
    code: int = module.main(arguments, settings)
    return code
