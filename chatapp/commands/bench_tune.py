"""``bench tune``: which tree is fastest on this machine, for what is asked here.

The preset changes only with ``--apply``, and only for a tree that was measured to be
faster.
"""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

from chatapp import locations
from chatapp.application.experiments import tune_run
from chatapp.application.experiments.engines import TemporaryEngines
from chatapp.application.experiments.tune_run import TuneState
from chatapp.chat.store import Store
from chatapp.commands.bench_engines import own_engines
from chatapp.commands.json_output import print_json
from chatapp.engine.process.local_engine import attach
from chatapp.errors import UsageError
from chatapp.measure.bench import tune_report
from chatapp.measure.bench.questions import own_sets
from chatapp.measure.bench.tuning import Landscape
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language


def main(arguments: Namespace, settings: Settings) -> int:
    show = _Show(Texts(system_language()))
    if attach(locations.engine_log(settings.data_dir)) is not None:
        raise UsageError("tune_app_runs")
    store = Store(locations.store(settings.data_dir), settle=False)
    engines = own_engines(arguments, settings, show.say)
    tokens = getattr(arguments, "max_tokens", tune_run.MAX_TOKENS)
    prompts = tune_run.encoded(engines.prompt(), _prompts(arguments, engines, store), tokens)
    trees = getattr(arguments, "trees", ())
    folder = locations.bench(settings.data_dir)
    try:
        asyncio.run(tune_run.run(engines, prompts, trees, tokens, folder, show))
    except KeyboardInterrupt:
        show.say("interrupted")
    _report(arguments, show)
    if show.state.landscape is not None and show.state.landscape.worth_changing:
        if getattr(arguments, "apply", False):
            show.say("applied", tree=tune_run.keep_best(store, show.state))
        else:
            show.say("how_to_apply")
    return 0


def _prompts(arguments: Namespace, engines: TemporaryEngines, store: Store) -> list[str]:
    """From the files given; else the newest own prompts, and what the project brings."""
    wanted = getattr(arguments, "limit", tune_run.PROMPTS)
    files = [Path(name) for name in getattr(arguments, "questions", ())]
    own = [] if files else store.recent_prompts(wanted)
    return tune_run.prompts_of(own, files or own_sets(engines.pair.name), wanted)


def _report(arguments: Namespace, show: _Show) -> None:
    landscape = show.state.landscape
    if landscape is None:
        return
    if arguments.json:
        print_json(tune_report.document(landscape, tune_run.now()))
        return
    print(tune_report.bars(landscape, show.texts))
    print(tune_report.conclusion(landscape, show.texts))
    if (length := landscape.setting.simulated_accept_length) is not None:
        print(show.texts("mtbench.simulated", length=length))


@dataclass(slots=True)
class _Show:
    """Says what is measured, and keeps the newest state for the end."""

    texts: Texts
    state: TuneState = field(default_factory=TuneState)

    def say(self, key: str, **values: object) -> None:
        print(self.texts(f"tune.{key}", **values), file=sys.stderr, flush=True)

    def __call__(self, state: TuneState) -> None:
        self.state = state
        if state.racing is not None and not state.racing.starting:
            self._measured(state.racing.landscape)

    def _measured(self, landscape: Landscape) -> None:
        attempt = landscape.attempts[-1]
        if attempt.speedup:
            self.say(
                "measured",
                tree=attempt.tree,
                done=len(attempt.answers),
                total=landscape.prompts,
                speedup=f"{attempt.speedup.value:.2f}",
            )
