"""What *off* costs under each attention backend, against a plain decode.

Off stays a verify of one token with a mask, planned on the host (see ``switch``), and no CPU
shows the price of that. The six measures, all at one stream, in tokens/s with their quartiles
and the ratio to the plain decode of the same backend:

1. plain decode: an engine without a draft
2. off, topk 4, FlashInfer
3. off, topk 1, FlashInfer
4. off, topk 4, Triton
5. off, topk 1, Triton
6. on, in each of these engines

Beside them stands 3 once more with SGLang's flag for such plans set for the whole engine
(``SGLANG_OPT_FLASHINFER_VERIFY_HOST_PLAN``): a chain's steps with speculation on then have
them too, and off stays as it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import partial

from chatapp.domain import Tree
from chatapp.engine.process.local_engine import LocalEngine
from tests.gpu.arithmetic import Speed, number
from tests.gpu.arm import Arm
from tests.gpu.asking import Answer, accept_length, argument, ask, speed
from tests.gpu.attempt import attempt
from tests.gpu.bench import Bench, Subject
from tests.gpu.part import Part
from tests.gpu.row import Row

WIDE, CHAIN = Tree(5, 4, 16), Tree(5, 1, 6)
HOST_PLAN = {"SGLANG_OPT_FLASHINFER_VERIFY_HOST_PLAN": "1"}


@dataclass(frozen=True, slots=True)
class Case:
    tree: Tree | None
    environment: dict[str, str]

    @property
    def name(self) -> str:
        if self.tree is None:
            return "plain decode"
        return f"topk {self.tree.topk}{', planned on the host' if self.environment else ''}"


PLAIN = Case(None, {})
CASES = {
    "flashinfer": (PLAIN, Case(WIDE, {}), Case(CHAIN, {}), Case(CHAIN, HOST_PLAN)),
    "triton": (PLAIN, Case(WIDE, {}), Case(CHAIN, {})),
}


@dataclass(frozen=True, slots=True)
class Backend:
    """One attention backend; ``plain`` gets the speed of its plain decode."""

    name: str
    bench: Bench
    plain: list[Speed] = field(default_factory=list)

    async def rows(self) -> AsyncGenerator[Row]:
        for case in CASES[self.name]:
            measured = self._drafted(case) if case.tree else self._plain(case)
            async for row in attempt(self._label(case), measured):
                yield row

    async def _plain(self, case: Case) -> AsyncGenerator[Row]:
        subject = self.bench.published()
        arm = self._arm(subject, case)
        async with arm.engine() as engine:
            self.plain.append(speed(await self._answers(engine, arm, False)))
            ran = await argument(engine, "attention_backend")
        yield Row(f"{self._label(case)} ({ran}), {subject.label}", str(self.plain[0]))

    async def _drafted(self, case: Case) -> AsyncGenerator[Row]:
        subject = self.bench.published().with_tree(case.tree)
        arm = self._arm(subject, case)
        against = self.plain[0] if self.plain else None
        async with arm.engine() as engine:
            for on in (False, True):
                answers = await self._answers(engine, arm, on)
                value = speed(answers).against(against)
                if on:
                    value += f", accept length {number(accept_length(answers))}"
                label = f"{'on' if on else 'off'}, {self._label(case)}, {subject.label}"
                yield Row(label, value, simulated=subject.made_up and on)

    async def _answers(self, engine: LocalEngine, arm: Arm, on: bool) -> list[Answer]:
        ids = arm.ids(self.bench.large_texts())
        await ask(engine, ids[:1], 8, on)
        return await ask(engine, ids, self.bench.size.large_tokens, on)

    def _arm(self, subject: Subject, case: Case) -> Arm:
        # On a CPU there is one backend, ours.
        backend = "torch_native" if self.bench.device == "cpu" else self.name
        return self.bench.arm(
            self._label(case).replace(", ", "-").replace(" ", "-"),
            subject,
            *("--attention-backend", backend),
            speculation=case.tree is not None,
            environment=case.environment,
        )

    def _label(self, case: Case) -> str:
        return f"{self.name}, {case.name}"


def rows(backend: str, bench: Bench) -> AsyncGenerator[Row]:
    return Backend(backend, bench).rows()


PARTS = tuple(
    Part(f"off-{name}", f"what off costs with {name}, and what on gains", 540, partial(rows, name))
    for name in CASES
)
