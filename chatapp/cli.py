"""Wires the rooms together once and runs the command that was asked for.

Exit codes: 0, 1 for a check or test that failed, 2 for wrong use, 3 when the engine or
its pair fails, 130 after an interrupt. No traceback reaches a person.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from chatapp import locations
from chatapp.arguments import parse
from chatapp.errors import (
    EngineError,
    InputError,
    PairError,
    ProductError,
    UsageError,
    error_words,
)
from chatapp.private import UMASK
from chatapp.proxies import settle
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show it all
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    os.umask(UMASK)
    settle(Texts(system_language()))
    try:
        command = importlib.import_module(f"chatapp.commands.{arguments.command}")
        code: int = command.main(arguments, load_settings(arguments))
        return code
    except ProductError as error:
        print(error.words(Texts(system_language())), file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stdout = None  # or Python would complain again when it ends
        return 1
    except Exception as error:  # noqa: BLE001
        return _unforeseen(error, arguments)


def load_settings(arguments: Namespace) -> Settings:
    """The settings, with the flags of this command line on top."""
    flags = vars(arguments)
    return Settings.load(**{name: flags.get(name) for name in Settings.model_fields})


def exit_code(error: ProductError) -> int:
    if isinstance(error, EngineError | PairError):
        return 3
    return 2 if isinstance(error, UsageError | InputError) else 1


def _unforeseen(error: Exception, arguments: Namespace) -> int:
    """A mistake of ours: one sentence for the person, the traceback into a file."""
    folder = Path(getattr(arguments, "data_dir", None) or locations.default_data_dir())
    log = locations.error_log(folder)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    except OSError:
        traceback.print_exception(error)
    values = {"reason": f"{type(error).__name__}: {error}", "log": str(log)}
    print(error_words(Texts(system_language()), "unforeseen", values), file=sys.stderr)
    return 1
