"""The page's experiments: what of each kind runs or ran last, and what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from chatapp import locations
from chatapp.application.app_engine import AppEngine
from chatapp.application.experiments import compare_run, mt_bench_run, tune_run
from chatapp.application.experiments.compare_run import CompareState
from chatapp.application.experiments.engines import AppEngines
from chatapp.application.experiments.mt_bench_run import MtBenchState
from chatapp.application.experiments.runner import Experiment, Publish, Runner
from chatapp.application.experiments.tune_run import TuneState
from chatapp.chat.auto import Auto
from chatapp.chat.comparisons import Comparisons
from chatapp.chat.store import Store
from chatapp.chat.traces import Traces
from chatapp.domain import Prompt, Tree
from chatapp.measure.bench.job import Job
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.comparison import ComparisonPlan
from chatapp.settings import Settings

Kind = Literal["compare", "bench", "tune"]
AnyExperiment = Experiment[CompareState] | Experiment[MtBenchState] | Experiment[TuneState]


class Experiments:
    """``chatting`` tells whether a reply is being written, ``changed`` is called when an
    experiment begins or ends; both are set by whoever knows."""

    def __init__(self, store: Store, manager: AppEngine, auto: Auto, settings: Settings) -> None:
        self.traces, self.comparisons, self.auto = Traces(store), Comparisons(store), auto
        self.chatting: Callable[[], bool] = lambda: False
        self.changed: Callable[[], None] = lambda: None
        self.comparison: Experiment[CompareState] | None = None
        self.mt_bench: Experiment[MtBenchState] | None = None
        self.race: Experiment[TuneState] | None = None
        self._store, self._folder = store, locations.bench(settings.data_dir)
        self._engines = AppEngines(manager, settings, lambda: self.chatting())
        self._runner = Runner(lambda: self.changed())

    def of(self, kind: Kind) -> AnyExperiment | None:
        """The newest experiment of this kind, ended or not."""
        experiments: dict[Kind, AnyExperiment | None] = {
            "compare": self.comparison,
            "bench": self.mt_bench,
            "tune": self.race,
        }
        return experiments[kind]

    @property
    def running(self) -> Kind | None:
        kinds: tuple[Kind, ...] = ("compare", "bench", "tune")
        return next((kind for kind in kinds if (one := self.of(kind)) and one.running), None)

    def prompt(self) -> Prompt:
        return self._engines.prompt()

    def setting(self) -> Setting:
        return self._engines.setting()

    def compare(self, plan: ComparisonPlan) -> Experiment[CompareState]:
        async def work(publish: Publish[CompareState]) -> None:
            await compare_run.run(plan, self._engines, self.comparisons, publish)

        self.comparison = self._runner.start(work, CompareState())
        return self.comparison

    def bench(self, job: Job) -> Experiment[MtBenchState]:
        async def work(publish: Publish[MtBenchState]) -> None:
            await self._engines.quiet()
            await mt_bench_run.run(job, self._engines, self._folder, publish)

        self.mt_bench = self._runner.start(work, MtBenchState())
        return self.mt_bench

    def tune(
        self, prompts: Sequence[Sequence[int]], trees: Sequence[Tree], max_tokens: int
    ) -> Experiment[TuneState]:
        async def work(publish: Publish[TuneState]) -> None:
            async with self._engines.aside() as engines:
                await tune_run.run(engines, prompts, trees, max_tokens, self._folder, publish)

        self.race = self._runner.start(work, TuneState())
        return self.race

    def apply(self) -> None:
        """The fastest tree of the last race becomes the preset; from the next start on."""
        if self.race is not None:
            tune_run.keep_best(self._store, self.race.latest.value.so_far)

    async def cancel(self) -> None:
        """Returns when the running experiment has ended, with what it has."""
        await self._runner.cancel()

    end = cancel
