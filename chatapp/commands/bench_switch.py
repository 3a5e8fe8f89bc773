"""``bench switch``: an engine without a draft, the switch off, and on, in one run.

The table, or with ``--json`` one JSON object alone, goes to standard output, everything
else to standard error.
"""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from chatapp import locations
from chatapp.chat.language import detect
from chatapp.commands.bench_pair import measured_pair
from chatapp.commands.json_output import print_json
from chatapp.devices import engine_device
from chatapp.domain import Pair, Role, Sampling
from chatapp.engine.process.engine import Engine
from chatapp.engine.prompt import ChatPrompt
from chatapp.measure.bench.questions import own_sets, read_questions
from chatapp.measure.bench.switch_bench import ARMS, Prompt, SwitchBench, report
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language

START_TIMEOUT_S = 900
ROUNDS = 5
MAX_TOKENS = 128
PROMPTS_PER_LANGUAGE = 6
Say = Callable[..., None]


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())

    def say(key: str, **values: object) -> None:
        print(texts(f"bench_switch.{key}", **values), file=sys.stderr, flush=True)

    pair = measured_pair(arguments, settings)
    told = asyncio.run(measure(arguments, pair, settings, say))
    if arguments.json:
        print_json(told)
    else:
        print(table(told, texts))
    return 0


async def measure(arguments: Namespace, pair: Pair, settings: Settings, say: Say) -> dict[str, Any]:
    """Both engines are up at once, so that their turns lie close together."""
    engines = _engines(pair, settings)
    say("starting", pair=pair.name, tree=pair.tree)
    async with AsyncExitStack() as running:
        for engine in engines.values():
            running.push_async_callback(engine.stop)
            await engine.start()
            await engine.ready(START_TIMEOUT_S)
        bench = SwitchBench(
            {name: engine.client.stream for name, engine in engines.items()},
            prompts_for(pair, ChatPrompt(pair.target, pair.context_length)),
            rounds=getattr(arguments, "rounds", ROUNDS),
            sampling=Sampling(max_tokens=getattr(arguments, "max_tokens", MAX_TOKENS)),
        )
        status = engines["on"].status()
        if not status.switch:
            say("no_switch")
        per_round = bench.total // (bench.rounds + 1)
        async for done in bench.run():
            if done % per_round == 0:
                say("progress", done=done // per_round - 1, total=bench.rounds)
    return {
        **{"pair": pair.name, "device": status.device, "tree": str(pair.tree)},
        **report(bench.done),
        "max_tokens": bench.sampling.max_tokens,
        "switch": status.switch,
        "simulated_accept_length": status.simulated_accept_length,
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def prompts_for(pair: Pair, prompt: ChatPrompt) -> Sequence[Prompt]:
    """As many Chinese as English questions, spread over what the project's sets ask."""
    found = []
    for path in own_sets(pair.name):
        questions = read_questions(path, detect).questions
        step = max(1, len(questions) // PROMPTS_PER_LANGUAGE)
        for question in questions[::step][:PROMPTS_PER_LANGUAGE]:
            text = question.turns[0]
            ids = prompt.encode([(Role.USER, text)])
            found.append(Prompt(text, detect(text), tuple(ids)))
    return found


def table(told: dict[str, Any], texts: Texts) -> str:
    """One line per arm, then the two ratios."""
    lines = [texts("bench_switch.title", **{k: told[k] for k in ("pair", "tree", "rounds")})]
    for arm in ARMS:
        low, high = told[f"{arm}_spread"]
        value = f"{told[f'{arm}_tokens_per_second']:.1f}"
        spread = f"{low:.1f}–{high:.1f}"
        lines.append(texts(f"bench_switch.{arm}", value=value, spread=spread))
    for name in ("off_ratio", "speedup"):
        low, high = told[f"{name}_spread"]
        value, spread = f"{told[name]:.2f}", f"{low:.2f}–{high:.2f}"
        lines.append(texts(f"bench_switch.{name}", value=value, spread=spread))
    if told["accept_length"] is not None:
        lines.append(texts("bench_switch.accepted", value=f"{told['accept_length']:.2f}"))
    if told["simulated_accept_length"] is not None:
        lines.append(texts("bench_switch.simulated", value=told["simulated_accept_length"]))
    same = "identical" if told["identical_texts"] else "different"
    return "\n".join([*lines, texts(f"bench_switch.{same}")])


def _engines(pair: Pair, settings: Settings) -> dict[str, Engine]:
    """Arm → engine; *on* and *off* share one."""
    folder, device = locations.bench(settings.data_dir), engine_device(settings)
    folder.mkdir(parents=True, exist_ok=True)
    extra = settings.engine_args
    plain = Engine(pair, device, folder / "plain.log", extra, speculation=False)
    switchable = Engine(pair, device, folder / "switch.log", extra)
    return {"plain": plain, "off": switchable, "on": switchable}
