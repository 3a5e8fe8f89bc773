"""``python tests/soak.py --kills 200``: a record of each kill as a line of JSON.

Goes on where the record ends, so a long soak may be interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.engine.process.pidfile import Pidfile
from tests.browser.conftest import start_app
from tests.soaking.kill import Record, Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak.py", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", type=Path, default=Path("soak.jsonl"))
    parser.add_argument(
        "--apart",
        action="store_true",
        help="kill only the app, in seconds each: its engine runs apart and lives on",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, ExitStack() as stack:
        engine = stack.enter_context(_engine(Path(folder) / "engine")) if arguments.apart else None
        asyncio.run(_soak(Soak(Path(folder) / "app", arguments.seed, engine), arguments))
    records = _read(arguments.record)
    print(summary(records))
    return 0 if all(record.clean for record in records) else 1


async def _soak(soak: Soak, arguments: argparse.Namespace) -> None:
    try:
        for number in range(len(_read(arguments.record)), arguments.kills):
            record = asdict(await soak.kill(number))
            line = json.dumps({name: _short(value) for name, value in record.items()})
            with arguments.record.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            print(line, flush=True)
    finally:
        soak.stop()


@contextmanager
def _engine(data_dir: Path) -> Iterator[Pidfile]:
    """That of another app, which nobody kills."""
    app = start_app(data_dir)
    try:
        app.wait("ready")
        engine = Pidfile.read(locations.engine_log(data_dir))
        assert engine is not None
        yield engine
    finally:
        app.stop()


def _short(value: Any) -> Any:
    return round(value, 2) if isinstance(value, float) else value


def _read(path: Path) -> list[Record]:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [Record(**json.loads(line)) for line in lines]


def summary(records: list[Record]) -> str:
    kinds = sorted({record.kind for record in records})
    lines = [f"{len(records)} kills"]
    for kind in kinds:
        some = [record for record in records if record.kind == kind]
        gone = statistics.median(record.gone_s for record in some)
        longest = max(record.gone_s for record in some)
        ways = sorted({record.again for record in some})
        again = ", ".join(f"{sum(r.again == way for r in some)} {way}" for way in ways)
        lines.append(
            f"  {kind}: {len(some)}, gone after {gone:.1f} s (at most {longest:.1f}); {again}"
        )
    lines.append(
        f"{sum(r.messages for r in records)} messages, {sum(r.lost for r in records)} lost;"
        f" {sum(r.shown for r in records)} letters shown,"
        f" {sum(r.ahead for r in records)} of them on no disk;"
        f" {sum(bool(r.left) for r in records)} times a process left,"
        f" {sum(bool(r.faults) for r in records)} times a fault in the store"
    )
    lines += [f"  {r.number} {r.kind}: {fault}" for r in records for fault in r.wrong]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
