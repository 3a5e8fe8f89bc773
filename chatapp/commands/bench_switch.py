"""``bench switch``: an engine without a draft, the switch off, and on, in one run.

The table, or with ``--json`` one JSON object alone, goes to standard output, everything
else to standard error.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from typing import Any

from chatapp.application.experiments import switch
from chatapp.application.experiments.switch import SwitchState
from chatapp.commands.bench_engines import measured
from chatapp.commands.json_output import print_json
from chatapp.measure.bench.switch_bench import ARMS
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())

    def say(key: str, **values: object) -> None:
        print(texts(f"bench_switch.{key}", **values), file=sys.stderr, flush=True)

    def show(state: SwitchState) -> None:
        if state.done is not None:
            say("progress", done=state.done, total=state.rounds)
        elif not state.switch:
            say("no_switch")

    rounds = getattr(arguments, "rounds", switch.ROUNDS)
    tokens = getattr(arguments, "max_tokens", switch.MAX_TOKENS)
    engines = measured(arguments, settings)
    say("starting", pair=engines.pair.name, tree=engines.pair.tree)
    told = asyncio.run(switch.run(engines, rounds, tokens, show))
    if arguments.json:
        print_json(told)
    else:
        print(table(told, texts))
    return 0


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
