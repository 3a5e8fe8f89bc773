"""What can only be measured on an NVIDIA GPU, in one table: ``python -m tests.gpu.report``.

It needs nothing but the installed project. Rows are printed as they are measured, so a run
that is killed has said what it had; what fails is a row as well, with the end of the
engine's log on standard error. Without a GPU it says so and ends with 2; ``--rehearse``
goes through the same steps on a CPU with little models, to see that they run, and marks
its table as no measurement of a GPU.

Where a machine is lent for ten minutes a command, run one part after the other:
``--only machine start``, ``--only switch`` and so on. Kernels that an earlier command has
compiled are found again, but by ``start``, which wants to compile them.

With another SGLang than ours (an image that has its own torch, say): install this project
into it with ``pip install --no-deps -e .`` and what of its dependencies is not there, all
but torch and SGLang. What differs is printed first: versions, hooks that fit and do not,
arguments that this SGLang does not know. Hooks that do not fit leave their feature out.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from chatapp.host import machine as this_machine
from chatapp.measure.machine.setting import machine_name
from tests.gpu.attempt import attempt
from tests.gpu.bench import FULL, REHEARSAL, Bench
from tests.gpu.part import Part
from tests.gpu.parts import machine, off, overlap, published, start, switch
from tests.gpu.row import HEAD, Row

PARTS: tuple[Part, ...] = (
    machine.PART,
    start.PART,
    switch.PART,
    published.PART,
    off.PARTS[0],
    overlap.PART,
    *off.PARTS[1:],
)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    driver = this_machine.nvidia_driver()
    if not arguments.rehearse and (reason := why_not(driver)):
        print(reason, file=sys.stderr)
        return 2
    print(_title(arguments.rehearse, driver), HEAD, sep="\n\n", flush=True)
    device, size = ("cpu", REHEARSAL) if arguments.rehearse else ("cuda", FULL)
    wanted = [part for part in PARTS if part.name in (arguments.only or _names())]
    with tempfile.TemporaryDirectory(prefix="eaglechat-gpu-") as folder:
        asyncio.run(measure(wanted, Bench(device, size, Path(folder))))
    return 0


def why_not(driver: this_machine.Driver | None) -> str | None:
    if driver is None:
        return "No NVIDIA GPU answers here, so nothing was measured."
    if not driver.new_enough:
        return (
            f"The NVIDIA driver {driver.version} is too old ({this_machine.MINIMUM_DRIVER} is "
            "needed), so nothing was measured."
        )
    return None


async def measure(parts: Sequence[Part], bench: Bench) -> None:
    """Prints the rows of each as they come, and on standard error how long it took."""
    for part in parts:
        began = time.monotonic()
        try:
            async with asyncio.timeout(part.limit_s):
                async for row in attempt(part.name, part.rows(bench)):
                    _say(row)
        except TimeoutError:
            _say(Row(part.name, f"not finished in {part.limit_s} s"))
        took = time.monotonic() - began
        print(f"{part.name}: {took:.0f} s", file=sys.stderr, flush=True)


def _say(row: Row) -> None:
    print(row.line(), flush=True)


def _names() -> list[str]:
    return [part.name for part in PARTS]


def _parser() -> argparse.ArgumentParser:
    listed = [f"  {part.name:15} {part.about} ({part.limit_s} s at most)" for part in PARTS]
    whole = f"All of them take {sum(part.limit_s for part in PARTS) // 60} minutes at most."
    parser = argparse.ArgumentParser(
        prog="python -m tests.gpu.report",
        description=__doc__,
        epilog="\n".join(["parts:", *listed, "", whole]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rehearse", action="store_true", help="the same steps on a CPU")
    parser.add_argument("--only", nargs="+", choices=_names(), metavar="PART", help="these alone")
    return parser


def _title(rehearsal: bool, driver: this_machine.Driver | None) -> str:
    if rehearsal:
        return "Rehearsal on a CPU with little models: not a measurement of a GPU."
    return f"{machine_name('cuda')}, driver {driver.version if driver else '?'}"


if __name__ == "__main__":
    sys.exit(main())
