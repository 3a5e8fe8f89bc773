"""The plan beside the ledger beside ``nvidia-smi``, row by row, of one moment.

Which rows there are, the plan and the ledger say; ``nvidia-smi`` knows four of them.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

from chatapp.engine.planning.cpu_plan import cpu_rows
from chatapp.engine.planning.plan import MemoryPlan
from chatapp.engine.planning.row import MemoryRow
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.measure.machine.ledger import EngineMemory, Ledger, LedgerRow, ledger
from chatapp.measure.machine.sampler import MemorySampler
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.texts import Texts
from tests.gpu.arithmetic import gigabytes
from tests.gpu.attempt import reason
from tests.gpu.row import Row
from tests.gpu.smi import SmiMemory, smi_memory


async def memory(
    engine: LocalEngine, shapes: PlannedPair, plan: MemoryPlan | None
) -> AsyncGenerator[Row]:
    """``plan`` was made before the engine took its card; None: it runs on the CPU."""
    told = EngineMemory.told(await engine.client.server_info())
    sample = MemorySampler(engine.pids, None if plan is None else ()).sample()
    tokens = told.kv_tokens if told else None
    planned = cpu_rows(shapes, tokens or 0) if plan is None else plan.rows
    by_key = {row.key: row.bytes for row in planned}
    made = ledger(sample, told, by_key, plan.kv_tokens if plan else tokens)
    seen: Mapping[str, int | None] = {}
    if gpu := sample.gpu:
        try:
            smi = smi_memory(gpu.uuid)
        except (OSError, subprocess.SubprocessError) as error:
            yield Row("memory, nvidia-smi", f"not measured: {reason(error)}")
        else:
            seen = by_smi(smi, smi.held_by(engine.pids().values()))
            told_by = gigabytes(gpu.total_bytes), gigabytes(gpu.reserved_bytes)
            value = f"NVML {told_by[0]}, of it the driver's {told_by[1]}; nvidia-smi "
            value += f"{gigabytes(smi.total)}, {gigabytes(smi.reserved)}"
            yield Row("memory, the card", value)
    for row in memory_rows(made, planned, seen):
        yield row


def by_smi(smi: SmiMemory, held: int | None) -> dict[str, int | None]:
    """The ledger's key → bytes, as ``nvidia-smi`` has them."""
    others = None if smi.used is None or held is None else smi.used - held
    return {"engine": held, "others": others, "driver": smi.reserved, "free": smi.free}


def memory_rows(
    made: Ledger, planned: Sequence[MemoryRow], seen: Mapping[str, int | None]
) -> Iterator[Row]:
    by_key = {item.key: item for item in planned}
    for row in made.rows:
        item = by_key.pop(row.key, None)
        yield Row(f"memory, {_name(row.key)}", beside(row, item, seen))
    for item in by_key.values():
        yield Row(f"memory, {_name(item.key)}", f"planned {_about(item, item.bytes)}")
    if made.kv_tokens_planned is not None:
        value = f"planned {made.kv_tokens_planned}, real {made.kv_tokens}"
        yield Row("memory, tokens of the KV cache", value)


def beside(row: LedgerRow, item: MemoryRow | None, seen: Mapping[str, int | None]) -> str:
    value = f"planned {_about(item, row.planned)}, real {gigabytes(row.real)}"
    if row.difference is not None:
        value += f" ({'+' if row.difference >= 0 else '−'}{gigabytes(abs(row.difference))})"
    return f"{value}, nvidia-smi {gigabytes(seen[row.key])}" if row.key in seen else value


def _about(item: MemoryRow | None, size: int | None) -> str:
    return f"{'≈ ' if item and item.estimated else ''}{gigabytes(size)}"


def _name(key: str) -> str:
    """The ledger's word for its own rows, else the plan's."""
    texts = Texts("en")
    words = (f"{table}.rows.{key}" for table in ("ledger", "plan"))
    return next((texts(word) for word in words if word in texts.keys()), key)
