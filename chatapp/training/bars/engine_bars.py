"""The accept length on the real engine, with the published tree."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from chatapp.domain import Pair, Role, Sampling
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import EngineError
from chatapp.measure.reply.averages import average
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace
from chatapp.pairs.locate import locate
from chatapp.training.bars.bars import (
    ACCEPTANCE_QUESTIONS,
    MOST_TOKENS,
    PUBLISHED_TREE,
    QUESTIONS,
    SEED,
    Outcome,
    Report,
    acceptance_bars,
)
from chatapp.training.dialogues import LANGUAGES, held_out_questions

READY_SECONDS = 600


def with_engine(outcome: Outcome, folder: Path, report: Report) -> Outcome:
    """The outcome with the engine's bars added."""
    lengths = asyncio.run(engine_lengths(folder, report))
    return replace(outcome, bars=outcome.bars + tuple(acceptance_bars("accept length", lengths)))


async def engine_lengths(folder: Path, report: Report) -> dict[str, float]:
    """Tokens per verify step by language, over the same questions as computed."""
    pair = replace(locate(str(folder)), tree=PUBLISHED_TREE)
    with tempfile.TemporaryDirectory() as scratch:
        engine = LocalEngine(pair, "cpu", Path(scratch) / "engine.log")
        report(f"engine: starting with the tree {pair.tree}")
        await engine.start()
        try:
            await engine.ready(READY_SECONDS)
            return {language: await length(engine, pair, language) for language in LANGUAGES}
        finally:
            await engine.stop()


async def length(engine: LocalEngine, pair: Pair, language: str) -> float:
    prompt = ChatPrompt(pair.target, pair.context_length)
    turns = held_out_questions(SEED, language, QUESTIONS)[:ACCEPTANCE_QUESTIONS]
    sampling = Sampling(max_tokens=MOST_TOKENS)
    replies = []
    for turn in turns:
        trace = Trace(speculation=True)
        ids = prompt.encode([(Role.USER, turn.question)])
        async for chunk in engine.client.stream(ids, sampling, speculation=True):
            trace.add(chunk)
        replies.append(metrics_of(trace))
    if (value := average(replies).accept_length) is None:
        raise EngineError("engine_broke_off")
    return value
