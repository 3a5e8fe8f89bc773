"""Experiments that need the engine to themselves, one at a time, for any number of tabs.

A comparison, a benchmark or a race of trees goes on when its tab is closed; it ends when
it is done, cancelled, or the app ends. Whatever was measured until then is kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, Protocol

from chatapp import locations
from chatapp.application.latest import Latest
from chatapp.chat.auto import Auto
from chatapp.chat.choices import keep_tree
from chatapp.chat.comparisons import Comparisons
from chatapp.chat.store import Store
from chatapp.chat.traces import Traces
from chatapp.domain import EngineState, EngineStatus, Pair, Sampling, Tree
from chatapp.engine.command import Device
from chatapp.engine.process.temporary import temporary_engine
from chatapp.engine.prompt import ChatPrompt
from chatapp.errors import EngineError, InputError, ProductError
from chatapp.measure.bench import bench_report, tune_report
from chatapp.measure.bench.job import Job
from chatapp.measure.bench.journal import Journal
from chatapp.measure.bench.mt_bench import Bench, Progress
from chatapp.measure.bench.quiet import Machine
from chatapp.measure.bench.tuning import Race, Racing, Stream
from chatapp.measure.compare.arms import Comparison, Setting
from chatapp.measure.compare.comparison import ArmText, Comparing, Plan, WarmingUp
from chatapp.measure.machine.setting import setting_of
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts

Kind = Literal["compare", "bench", "tune"]
Stage = Literal["waiting", "warming", "running", "finished", "cancelled", "failed"]
_POLL_S = 0.1
_log = logging.getLogger(__name__)


class ExperimentEngine(Protocol):
    """What the manager of the app's engine offers here."""

    @property
    def client(self) -> Any: ...

    def status(self) -> EngineStatus: ...

    def prompt(self) -> ChatPrompt: ...

    def aside(self) -> AbstractAsyncContextManager[tuple[Pair, Device]]: ...


@dataclass(frozen=True, slots=True)
class State:
    """An experiment as it is now. What it has of ``comparison`` and ``arms``, of
    ``progress`` and ``report``, or of ``racing`` depends on its kind."""

    kind: Kind
    stage: Stage
    comparison: Comparison | None = None
    arms: tuple[ArmText | None, ArmText | None] = (None, None)
    now: ArmText | WarmingUp | None = None
    progress: Progress | None = None
    report: bench_report.Document | None = None
    racing: Racing | None = None
    pair: Pair | None = None
    error: ProductError | None = None

    @property
    def ended(self) -> bool:
        return self.stage in ("finished", "cancelled", "failed")


@dataclass(slots=True)
class Experiment:
    latest: Latest[State]
    task: asyncio.Task[None] | None = None


class Experiments:
    """``chatting`` tells whether a reply is being written; set by the page."""

    def __init__(
        self, store: Store, engine: ExperimentEngine, auto: Auto, settings: Settings
    ) -> None:
        self.traces, self.comparisons, self.auto = Traces(store), Comparisons(store), auto
        self.chatting: Callable[[], bool] = lambda: False
        self.changed: Callable[[], None] = lambda: None
        self._store, self._engine, self._settings = store, engine, settings
        self._experiments: dict[Kind, Experiment] = {}

    def of(self, kind: Kind) -> Experiment | None:
        """The newest experiment of this kind, ended or not."""
        return self._experiments.get(kind)

    @property
    def running(self) -> Kind | None:
        running = (k for k, one in self._experiments.items() if not one.latest.value.ended)
        return next(running, None)

    def prompt(self) -> ChatPrompt:
        return self._engine.prompt()

    def setting(self) -> Setting:
        return setting_of(self._engine.status(), self._settings.engine_args)

    def compare(self, plan: Plan) -> Experiment:
        return self._start("compare", lambda state: self._compare(plan, state))

    def bench(self, job: Job) -> Experiment:
        return self._start("bench", lambda state: self._bench(job, state))

    def tune(self, prompts: list[list[int]], trees: tuple[Tree, ...], tokens: int) -> Experiment:
        sampling = Sampling(max_tokens=tokens)
        return self._start("tune", lambda state: self._tune(prompts, trees, sampling, state))

    def apply(self) -> None:
        """The fastest tree of the last race becomes the preset; from the next start on."""
        experiment = self._experiments.get("tune")
        state = experiment.latest.value if experiment else None
        if state and state.racing and state.pair and state.racing.landscape.worth_changing:
            best = state.racing.landscape.best
            keep_tree(self._store, state.pair, best.tree if best else None)

    async def cancel(self) -> None:
        """Returns when the running experiment has ended, with what it has."""
        if (kind := self.running) is not None:
            task = self._experiments[kind].task
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    end = cancel

    def _start(self, kind: Kind, work: Callable[[Latest[State]], Any]) -> Experiment:
        if self.running is not None:
            raise InputError("experiments_busy")
        experiment = Experiment(Latest(State(kind, "waiting")))
        self._experiments[kind] = experiment
        experiment.task = asyncio.create_task(self._run(experiment.latest, work))
        self.changed()
        return experiment

    async def _run(self, latest: Latest[State], work: Callable[[Latest[State]], Any]) -> None:
        try:
            await work(latest)
            self._put(latest, stage="finished")
        except asyncio.CancelledError:
            self._put(latest, stage="cancelled")
        except ProductError as error:
            self._put(latest, stage="failed", error=error)
        except Exception:
            _log.exception("an experiment failed")
            self._put(latest, stage="failed", error=ProductError("page_failed"))
        finally:
            latest.close()
            self.changed()

    def _put(self, latest: Latest[State], **fields: Any) -> None:
        latest.put(replace(latest.value, **fields))

    async def _compare(self, plan: Plan, latest: Latest[State]) -> None:
        await self._quiet()
        machine = Machine(self._quiet, self.chatting)
        comparing = Comparing(self._engine.client.stream, plan, self.setting(), machine=machine)
        try:
            async with aclosing(comparing.events()) as events:
                async for event in events:
                    self._take(latest, comparing, event)
        finally:
            kept = self.comparisons.keep(comparing.result)
            self._put(latest, comparison=kept)

    def _take(self, latest: Latest[State], comparing: Comparing, event: Any) -> None:
        if isinstance(event, WarmingUp):
            self._put(latest, stage="warming", now=event)
        elif isinstance(event, ArmText):
            on, off = latest.value.arms
            arms = (event, off) if event.speculation else (on, event)
            self._put(latest, stage="running", now=event, arms=arms)
        else:
            self._put(latest, comparison=comparing.result)

    async def _bench(self, job: Job, latest: Latest[State]) -> None:
        await self._quiet()
        setting = self.setting()
        folder = locations.bench(self._settings.data_dir)
        journal = Journal(folder / "mt-bench.jsonl", job.fingerprint(setting))
        machine = Machine(self._quiet, self.chatting)
        bench = Bench(job, journal, self._engine.prompt(), machine=machine)
        stream = self._engine.client.stream
        try:
            async with aclosing(bench.run(stream, ("on", "off"))) as steps:
                async for progress in steps:
                    told = bench_report.document(
                        job, setting, journal.all(), time.time(), spread=False
                    )
                    self._put(latest, stage="running", progress=progress, report=told)
        finally:
            told = bench_report.document(job, setting, journal.all(), time.time())
            self._put(latest, report=told)
        journal.forget()
        self._save_report(told)

    async def _tune(
        self,
        prompts: list[list[int]],
        trees: tuple[Tree, ...],
        sampling: Sampling,
        latest: Latest[State],
    ) -> None:
        await self._quiet(engine=False)
        async with self._engine.aside() as (pair, device):
            race = self._race(pair, device, prompts, trees, sampling)
            async with aclosing(race.run()) as steps:
                async for racing in steps:
                    self._put(latest, stage="running", racing=racing, pair=pair)
        self._save("tune", tune_report.document(race.landscape, _now()))

    def _race(
        self,
        pair: Pair,
        device: Device,
        prompts: list[list[int]],
        trees: tuple[Tree, ...],
        sampling: Sampling,
    ) -> Race:
        log = locations.bench(self._settings.data_dir) / "engine.log"

        @asynccontextmanager
        async def open_engine(tree: Tree) -> AsyncIterator[Stream]:
            fitted = replace(pair, tree=tree)
            async with temporary_engine(fitted, device, log, self._settings.engine_args) as engine:
                yield engine.client.stream

        setting = replace(self.setting(), tree=str(pair.tree))
        return Race((pair.tree, *trees), prompts, open_engine, sampling, setting)

    async def _quiet(self, engine: bool = True) -> None:
        """Until no reply is being written, and the engine is ready if that is needed."""
        while self.chatting() or (engine and not self._engine_ready()):
            await asyncio.sleep(_POLL_S)
        if engine and not self._engine.status().switch:
            raise InputError("experiments_no_switch")

    def _engine_ready(self) -> bool:
        status = self._engine.status()
        if status.state is EngineState.FAILED:
            raise EngineError(status.failure or "engine_failed", **status.failure_values)
        return status.state is EngineState.READY

    def _save_report(self, told: bench_report.Document) -> None:
        stem = self._save("mt-bench", told)
        for language in LANGUAGES:
            page = bench_report.html(told, Texts(language))
            path = locations.bench(self._settings.data_dir) / f"{stem}.{language}.html"
            path.write_text(page, "utf-8")

    def _save(self, kind: str, told: dict[str, Any]) -> str:
        stem: str = f"{kind}-" + told["created"][:19].replace(":", "").replace("T", "-")
        folder = locations.bench(self._settings.data_dir)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{stem}.json").write_text(json.dumps(told, ensure_ascii=False), "utf-8")
        return stem


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
