"""Whether the switch is there, and what its second state took."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from chatapp.engine.process.local_engine import LocalEngine
from chatapp.measure.machine.ledger import SECOND_STATE
from chatapp.texts import Texts
from tests.gpu.arithmetic import gigabytes
from tests.gpu.row import Row


async def second_state(engine: LocalEngine) -> AsyncGenerator[Row]:
    status = engine.status()
    reason = Texts("en")(status.switch_reason) if status.switch_reason else ""
    yield Row("the switch", "available" if status.switch else f"not available: {reason}")
    told = (await engine.client.server_info())["internal_states"][0].get(SECOND_STATE) or {}
    seconds = told.get("seconds")
    took = "not told" if seconds is None else f"{seconds:.2f} s"
    yield Row("second state of the switch", f"{took}, {gigabytes(told.get('bytes'))}")
