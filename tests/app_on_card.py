"""The app beside a card that is not there: ``python -m tests.app_on_card SAYS run …``.

Page and engine are the real ones, the engine on the CPU. In place of the driver stands the
library of ``tests/fakes/nvml.py``; what it says is read from the file SAYS whenever that changes,
and so is what the engine would say of its memory if it were on a card. ``Says`` writes it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chatapp.engine.client import EngineClient
from chatapp.host import machine
from chatapp.measure.machine.ledger import DRAFT, SECOND_STATE
from chatapp.units import MIB
from tests.fakes.nvml import Card, Driver, loaded

# As SGLang says of the published pair with its published preset, in GiB, and our plug-in.
ACCOUNT = {
    "memory_usage": {
        "weight": 7.5,
        "kvcache": 7.36,
        "token_capacity": 53_600,
        "graph": {"target_verify": 0.31, "draft_decode": 0.12, "draft_extend": 0.14},
    },
    DRAFT: {"weights": 310 * MIB, "kv_cache": 209 * MIB},
    SECOND_STATE: {"graph_bytes": 60 * MIB, "bytes": 580 * MIB},
}


@dataclass
class Says:
    """``account``: what the engine says of its memory; ``kv``: how much of its KV cache is
    in use, None: as the real engine on the CPU says."""

    driver: Driver
    account: dict[str, Any] | None = field(default_factory=lambda: dict(ACCOUNT))
    kv: float | None = None

    def write(self, path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self)), "utf-8")
        os.replace(new, path)


class Told:
    """The file, read anew when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path, self._changed = path, 0
        self._says: Says | None = None

    def __call__(self) -> Says:
        changed = self._path.stat().st_mtime_ns
        if self._says is None or changed != self._changed:
            self._says, self._changed = _read(self._path), changed
        return self._says


def _read(path: Path) -> Says:
    said = json.loads(path.read_text("utf-8"))
    cards = [Card(**_by_pid(card)) for card in said["driver"].pop("cards")]
    driver = Driver(cards, **said["driver"] | {"lacks": tuple(said["driver"]["lacks"])})
    return Says(driver, said["account"], said["kv"])


def _by_pid(card: dict[str, Any]) -> dict[str, Any]:
    held = {key: {int(pid): size for pid, size in card[key].items()} for key in _PROCESSES}
    return card | held


_PROCESSES = ("processes", "graphics")


@contextmanager
def engine_as_if_on_a_card(told: Told) -> Iterator[None]:
    """It runs on the CPU, and says of its memory what it would say on a card."""
    info, loads, chosen = EngineClient.server_info, EngineClient.loads, machine.engine_set

    async def server_info(self: EngineClient) -> dict[str, Any]:
        real = await info(self)
        real["internal_states"][0] |= told().account or {"memory_usage": None}
        return real

    async def told_loads(self: EngineClient) -> dict[str, Any]:
        real, kv = await loads(self), told().kv
        if kv is not None:
            first = real["loads"][0]
            first["num_used_tokens"] = round(kv * first["max_total_num_tokens"])
        return real

    EngineClient.server_info, EngineClient.loads = server_info, told_loads
    machine.engine_set = lambda device, driver: "cpu"
    try:
        yield
    finally:
        EngineClient.server_info, EngineClient.loads = info, loads
        machine.engine_set = chosen


def main() -> int:
    from chatapp import cli

    told = Told(Path(sys.argv[1]))
    with loaded(lambda: told().driver), engine_as_if_on_a_card(told):
        return cli.run(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
