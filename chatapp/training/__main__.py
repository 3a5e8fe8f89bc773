"""``python -m chatapp.training pocket`` makes the pocket pair, ``check`` measures it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from chatapp import locations
from chatapp.errors import ProductError
from chatapp.texts import Texts


def parser() -> argparse.ArgumentParser:
    texts = Texts("en")
    found = argparse.ArgumentParser(prog="train", description=texts("training.about"))
    actions = found.add_subparsers(dest="action", required=True)
    pocket = actions.add_parser("pocket", help=texts("training.pocket"))
    pocket.add_argument("--minutes", type=float, help=texts("training.minutes"))
    pocket.add_argument("--work", type=Path, default=locations.training_work())
    pocket.add_argument("--output", type=Path, default=locations.pocket_pair())
    check = actions.add_parser("check", help=texts("training.check"))
    check.add_argument("--pair", type=Path, default=locations.pocket_pair())
    check.add_argument("--json", action="store_true", help=texts("training.json"))
    check.add_argument("--no-engine", action="store_true", help=texts("training.no_engine"))
    return found


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """0: done, all bars passed; 1: a bar failed; 3: stopped before the end, resumable."""
    options = parser().parse_args(argv)
    try:
        if options.action == "pocket":
            return make(options)
        return check(options)
    except ProductError as error:
        say(error.words(Texts("en")))
        return 3
    except KeyboardInterrupt:
        say(Texts("en")("training.interrupted"))
        return 3


def make(options: argparse.Namespace) -> int:
    from chatapp.training.learn.recipe import POCKET
    from chatapp.training.pocket import make_pair

    if make_pair(POCKET, options.work, options.output, say, options.minutes):
        return 0
    say(Texts("en")("training.interrupted"))
    return 3


def check(options: argparse.Namespace) -> int:
    from chatapp.training.bars.bars import measure
    from chatapp.training.bars.engine_bars import with_engine

    outcome = measure(options.pair, say)
    if not options.no_engine:
        outcome = with_engine(outcome, options.pair, say)
    if options.json:
        print(json.dumps(outcome.as_dict(), ensure_ascii=False))
    else:
        from chatapp.training.bars.outcome_table import table

        print(table(outcome))
    return 0 if outcome.passed else 1


if __name__ == "__main__":
    sys.exit(main())
