"""Wires the rooms together once and runs the command that was asked for.

Exit codes: 0, 1 for a check or test that failed, 2 for wrong use, 3 when the engine
fails, 130 after an interrupt. No traceback reaches a person.
"""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Sequence

from chatapp.arguments import parse
from chatapp.errors import EngineError, ProductError
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code."""
    sys.exit(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    arguments = parse(argv)
    try:
        command = importlib.import_module(f"chatapp.commands.{arguments.command}")
        return command.main(arguments, load_settings(arguments))
    except ProductError as error:
        print(error.words(Texts(system_language())), file=sys.stderr)
        return 3 if isinstance(error, EngineError) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 1


def load_settings(arguments: Namespace) -> Settings:
    """The settings, with the flags of this command line on top."""
    flags = vars(arguments)
    return Settings.load(**{name: flags.get(name) for name in Settings.model_fields})
