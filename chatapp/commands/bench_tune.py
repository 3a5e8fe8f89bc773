"""``bench tune``: which tree is fastest on this machine, for what is asked here.

Every tree gets an engine that is gone before the next one starts, and after the last,
whatever happens. The preset changes only with ``--apply``, and only for a tree that was
measured to be faster.
"""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.chat.choices import keep_tree
from chatapp.chat.language import detect
from chatapp.chat.store import Store
from chatapp.commands.bench_mt import engine_for, setting_for
from chatapp.commands.json_output import print_json
from chatapp.domain import Pair, Role, Sampling, Tree
from chatapp.engine.planning.planner import find_pair
from chatapp.engine.process.engine import attach
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import UsageError
from chatapp.measure.bench import tune_report
from chatapp.measure.bench.questions import own_sets, read_questions
from chatapp.measure.bench.tuning import TREES, Landscape, Race, Racing, Stream
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language

PROMPTS = 8
MAX_TOKENS = 160


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())
    if attach(locations.engine_log(settings.data_dir)) is not None:
        raise UsageError("tune_app_runs")
    store = Store(locations.store(settings.data_dir))
    pair = find_pair(settings)
    prompts = prompts_for(getattr(arguments, "questions", ()), pair, store, arguments)
    landscape = asyncio.run(_race(arguments, settings, pair, prompts, texts))
    told = tune_report.document(landscape, _now())
    _save(told, settings)
    if arguments.json:
        print_json(told)
    else:
        print(tune_report.bars(landscape, texts))
        print(tune_report.conclusion(landscape, texts))
        if (length := landscape.setting.simulated_accept_length) is not None:
            print(texts("mtbench.simulated", length=length))
    if landscape.worth_changing and landscape.best is not None:
        if getattr(arguments, "apply", False):
            keep_tree(store, pair, landscape.best.tree)
            _say(texts, "applied", tree=landscape.best.tree)
        else:
            _say(texts, "how_to_apply")
    return 0


def prompts_for(files: Sequence[str], pair: Pair, store: Store, arguments: Namespace) -> list[str]:
    """From the files given, else the newest own prompts, else what the project brings."""
    wanted = getattr(arguments, "limit", PROMPTS)
    own = [] if files else store.recent_prompts(wanted)
    if len(own) >= min(wanted, PROMPTS):
        return own
    sets = [read_questions(Path(file), detect) for file in files or own_sets(pair.name)]
    questions = [question.turns[0] for one in sets for question in one.questions]
    step = max(1, len(questions) // wanted)
    return questions[::step][:wanted]


async def _race(
    arguments: Namespace, settings: Settings, pair: Pair, prompts: Sequence[str], texts: Texts
) -> Landscape:
    prompt = ChatPrompt(pair.target, pair.context_length)
    sampling = Sampling(max_tokens=getattr(arguments, "max_tokens", MAX_TOKENS))
    ids = [prompt.encode([(Role.USER, text)]) for text in prompts]
    room = pair.context_length - sampling.max_tokens - 64
    fitting = [one for one in ids if len(one) < room]
    if not fitting:
        raise UsageError("bench_nothing_to_ask")

    @asynccontextmanager
    async def open_engine(tree: Tree) -> AsyncIterator[Stream]:
        def say(key: str, **values: object) -> None:
            _say(texts, key, **values)

        async with engine_for(replace(pair, tree=tree), settings, say) as engine:
            yield engine.client.stream

    trees = (pair.tree, *getattr(arguments, "trees", TREES))
    race = Race(trees, fitting, open_engine, sampling, setting_for(pair, settings))
    try:
        async with aclosing(race.run()) as steps:
            async for racing in steps:
                _progress(racing, texts)
    except asyncio.CancelledError:
        _say(texts, "interrupted")
    return race.landscape


def _progress(racing: Racing, texts: Texts) -> None:
    attempt = racing.landscape.attempts[-1]
    if not racing.starting and attempt.speedup:
        _say(
            texts,
            "measured",
            tree=racing.tree,
            done=len(attempt.answers),
            total=racing.landscape.prompts,
            speedup=f"{attempt.speedup.value:.2f}",
        )


def _save(told: dict[str, Any], settings: Settings) -> None:
    stem = "tune-" + told["created"][:19].replace(":", "").replace("T", "-")
    path = locations.bench(settings.data_dir) / f"{stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1), "utf-8")


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _say(texts: Texts, key: str, **values: object) -> None:
    print(texts(f"tune.{key}", **values), file=sys.stderr, flush=True)
