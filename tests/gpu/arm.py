"""One engine of the report: started for an arm, asked, and gone when the arm is left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chatapp.devices import Device
from chatapp.domain import EngineState, Pair, Role
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from tests.gpu.attempt import show_end


@dataclass(frozen=True, slots=True)
class Arm:
    """Engines for ``pair`` on ``device``, with a draft or without; ``environment`` is set
    for as long as one runs. The log is ``NAME.log`` in ``folder``."""

    name: str
    pair: Pair
    device: Device
    folder: Path
    arguments: tuple[str, ...] = ()
    speculation: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[LocalEngine]:
        """Ready. When it or what is done with it fails, the end of its log is shown."""
        log = self.folder / f"{self.name}.log"
        with environment(self.environment):
            engine = LocalEngine(
                self.pair, self.device, log, self.arguments, speculation=self.speculation
            )
            sound = False
            try:
                await engine.start()
                await engine.ready()
                yield engine
                sound = engine.status().state is EngineState.READY
            finally:
                if not sound:
                    show_end(log)
                await asyncio.shield(engine.stop())

    @property
    def prompt(self) -> ChatPrompt:
        return ChatPrompt(self.pair.target, self.pair.context_length)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """One question each."""
        prompt = self.prompt
        return [prompt.encode([(Role.USER, text)]) for text in texts]


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
