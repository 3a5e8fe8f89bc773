"""A race of trees: which is fastest here, for what is asked here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chatapp.application.experiments import reports
from chatapp.application.experiments.engines import TemporaryEngines
from chatapp.chat.choices import keep_tree
from chatapp.chat.language import detect
from chatapp.chat.store import Store
from chatapp.domain import Pair, Prompt, Role, Sampling, Tree
from chatapp.errors import UsageError
from chatapp.measure.bench import tune_report
from chatapp.measure.bench.questions import read_questions
from chatapp.measure.bench.tuning import Landscape, Race, Racing
from chatapp.measure.stream import Stream
from chatapp.pairs.drafters import DRAFTERS

PROMPTS = 8
MAX_TOKENS = 160
_SPARE_TOKENS = 64

__all__ = ["MAX_TOKENS", "PROMPTS", "TuneState", "keep_best", "prompts_of", "run"]


@dataclass(frozen=True, slots=True)
class TuneState:
    """``racing`` is None until the first engine starts."""

    pair: Pair | None = None
    racing: Racing | None = None

    @property
    def landscape(self) -> Landscape | None:
        return self.racing.landscape if self.racing else None


def prompts_of(own: Sequence[str], files: Sequence[Path], wanted: int) -> list[str]:
    """Prompts of the person's own; what they lack is filled up from question files, evenly."""
    missing = wanted - len(own)
    if missing <= 0:
        return list(own[:wanted])
    sets = [read_questions(file, detect) for file in files]
    questions = [question.turns[0] for one in sets for question in one.questions]
    return [*own, *questions[:: max(1, len(questions) // missing)][:missing]]


def encoded(prompt: Prompt, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Those that leave room for an answer. Raises UsageError when none does."""
    ids = [prompt.encode([(Role.USER, text)]) for text in texts]
    room = prompt.context_length - max_tokens - _SPARE_TOKENS
    fitting = [one for one in ids if len(one) < room]
    if not fitting:
        raise UsageError("bench_nothing_to_ask")
    return fitting


async def run(
    engines: TemporaryEngines,
    prompts: Sequence[Sequence[int]],
    trees: Sequence[Tree],
    max_tokens: int,
    folder: Path,
    publish: Callable[[TuneState], None],
) -> None:
    """Every tree has an engine that is gone before the next one starts; without ``trees``
    those of the pair's drafter race. What was measured is written down, however it ends."""

    @asynccontextmanager
    async def open_engine(tree: Tree) -> AsyncGenerator[Stream]:
        async with engines.with_tree(tree).open() as engine:
            yield engine.client.stream

    sampling = Sampling(max_tokens=max_tokens)
    pair = engines.pair
    racing_trees = (pair.tree, *(trees or DRAFTERS[pair.drafter].trees))
    race = Race(racing_trees, prompts, open_engine, sampling, engines.setting())
    try:
        async with aclosing(race.run()) as steps:
            async for racing in steps:
                publish(TuneState(pair, racing))
    finally:
        reports.keep_race(tune_report.document(race.landscape, now()), folder)


def now() -> str:
    """For a report's head."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def keep_best(store: Store, state: TuneState) -> Tree | None:
    """The fastest tree becomes the pair's, from the engine's next start on; None when none
    was measured to be faster."""
    landscape = state.landscape
    if state.pair is None or landscape is None or not landscape.worth_changing:
        return None
    best = landscape.best
    if best is not None:
        keep_tree(store, state.pair, best.tree)
        return best.tree
    return None
