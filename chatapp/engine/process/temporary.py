"""An engine for one measurement: ready inside the ``async with``, gone after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from chatapp.domain import Pair
from chatapp.engine.command import Device
from chatapp.engine.process.local_engine import LocalEngine

START_TIMEOUT_S = 3600  # the first start on a card compiles its kernels


@asynccontextmanager
async def temporary_engine(
    pair: Pair,
    device: Device,
    log_path: Path,
    extra: Sequence[str] = (),
    speculation: bool = True,
) -> AsyncIterator[LocalEngine]:
    """Raises EngineError when it does not get ready."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    engine = LocalEngine(pair, device, log_path, extra, speculation=speculation)
    try:
        await engine.start()
        await engine.ready(START_TIMEOUT_S)
        yield engine
    finally:
        await engine.stop()
