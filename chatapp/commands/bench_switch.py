"""``bench switch``: an engine without a draft, the switch off, and on, in one run.

The table, or with ``--json`` one JSON object alone, goes to standard output, everything
else to standard error.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace

from chatapp.application.experiments import switch_run
from chatapp.application.experiments.switch_run import SwitchState
from chatapp.commands.bench_engines import own_engines
from chatapp.commands.json_output import print_json
from chatapp.measure.bench import switch_report
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

    rounds = getattr(arguments, "rounds", switch_run.ROUNDS)
    tokens = getattr(arguments, "max_tokens", switch_run.MAX_TOKENS)
    engines = own_engines(arguments, settings)
    say("starting", pair=engines.pair.name, tree=engines.pair.tree)
    report = asyncio.run(switch_run.run(engines, rounds, tokens, show))
    if arguments.json:
        print_json(switch_report.as_json(report))
    else:
        print(switch_report.lines(report, texts))
    return 0
