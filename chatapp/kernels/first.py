"""Builds the kernels and then becomes the engine: ``python -m chatapp.kernels.first COMMAND …``.

What it writes stands at the beginning of the engine's log; ``engine.timeline`` reads it. A
build that fails does not keep the engine: it compiles at its first steps what is missing,
or fails at the same place and says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from chatapp.kernels.build import BuildError, BuildProgress, build
from chatapp.measure.machine.cards import engine_card

AHEAD = "EagleChat: {done} of {total} kernel modules, {left} s left"
READY = "EagleChat: no kernels are left to build"


def before_engine(command: Sequence[str]) -> list[str]:
    """``command`` behind the build of its kernels; its first word is a Python."""
    return [command[0], "-P", "-m", "chatapp.kernels.first", *command]


def main(command: Sequence[str]) -> None:
    """Does not return: it becomes the engine."""
    card = engine_card(command)
    if card is not None and card.capability is not None:
        _build(command, "{}.{}".format(*card.capability))
    print(READY, flush=True)
    os.execv(command[0], list(command))


def _build(command: Sequence[str], arch: str) -> None:
    try:
        for progress in build(command, arch, os.environ):
            print(line(progress), flush=True)
    except (BuildError, OSError) as error:
        print(f"EagleChat: the kernels were not built ahead. {error}", flush=True)


def line(progress: BuildProgress) -> str:
    left = "?" if progress.seconds_left is None else round(progress.seconds_left)
    return AHEAD.format(done=progress.done, total=progress.total, left=left)


if __name__ == "__main__":
    main(sys.argv[1:])
