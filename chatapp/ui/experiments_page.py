"""What a person does in the Compare and Benchmark panes, as views of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from chatapp import locations
from chatapp.application.experiments import mt_bench_run, reports, tune_run
from chatapp.application.experiments.compare_run import plan_of, plan_of_text
from chatapp.application.experiments.experiments import Experiments, Kind
from chatapp.application.latest import Reader
from chatapp.chat.store import Store
from chatapp.domain import Message, Role, Sampling
from chatapp.errors import InputError
from chatapp.measure.bench.job import Job
from chatapp.measure.bench.questions import set_for
from chatapp.measure.compare.arms import Comparison
from chatapp.measure.compare.comparison import ComparisonPlan
from chatapp.settings import Settings
from chatapp.texts import Texts
from chatapp.ui.panes import benchmark, compare
from chatapp.ui.panes.evidence import verdict_words
from chatapp.ui.payload import Payload

_PANE: dict[Kind, str] = {"compare": "compare", "bench": "bench", "tune": "bench"}

Views = AsyncIterator[dict[str, Markup]]


@dataclass(slots=True)
class ExperimentForms:
    """What one tab has on its bench: the forms, and which comparison it shows."""

    texts: Texts
    compare: compare.CompareForm = field(default_factory=compare.CompareForm)
    benchmark: benchmark.BenchmarkForm = field(default_factory=benchmark.BenchmarkForm)
    shown: Comparison | None = None
    readers: dict[str, Reader[Any]] = field(default_factory=dict)

    def close(self) -> None:
        for reader in self.readers.values():
            reader.close()
        self.readers.clear()


class ExperimentsPage:
    def __init__(self, store: Store, experiments: Experiments, settings: Settings) -> None:
        self._store, self._experiments = store, experiments
        self._folder = locations.bench(settings.data_dir)
        self._actions: Mapping[str, Callable[[ExperimentForms, Payload], Views]] = {
            "open": self._open,
            "clear": self._clear,
            "until": self._until,
            "compare": self._compare,
            "cancel": self._cancel,
            "show": self._show,
            "forget": self._forget,
            "bench": self._bench,
            "tune": self._tune,
            "apply": self._apply,
        }

    async def act(self, bench: ExperimentForms, payload: Payload) -> Views:
        self._read_forms(bench, payload)
        async for view in self._actions[payload.text("what")](bench, payload):
            yield view

    def blank(self, texts: Texts) -> dict[str, Markup]:
        """Both panes before anybody has opened them."""
        return {"compare": Markup(), "bench": Markup()}

    def panes(self, bench: ExperimentForms) -> dict[str, Markup]:
        """Both as they are now."""
        return self._pane(bench, "compare") | self._pane(bench, "bench")

    # Actions

    async def _open(self, bench: ExperimentForms, payload: Payload) -> Views:
        """A pane is looked at: as it is, and while something runs there, as it goes on."""
        kinds: tuple[Kind, ...] = (
            ("compare",) if payload.text("view") == "compare" else ("bench", "tune")
        )
        running = next((kind for kind in kinds if self._experiments.running == kind), kinds[0])
        async for view in self._follow(bench, running):
            yield view

    async def _clear(self, bench: ExperimentForms, payload: Payload) -> Views:
        bench.compare = compare.CompareForm(
            rounds=bench.compare.rounds, tokens=bench.compare.tokens
        )
        yield self._pane(bench, "compare")

    async def _until(self, bench: ExperimentForms, payload: Payload) -> Views:
        """The conversation up to a message is what shall be compared."""
        user = self._said(payload.number("id"))[-1]
        bench.compare = compare.CompareForm(
            prompt=user.text,
            until=user.id,
            rounds=bench.compare.rounds,
            tokens=bench.compare.tokens,
        )
        bench.shown = None
        yield self._pane(bench, "compare")

    async def _compare(self, bench: ExperimentForms, payload: Payload) -> Views:
        bench.shown = None
        self._experiments.compare(await self._plan(bench.compare))
        async for view in self._follow(bench, "compare"):
            yield view

    async def _cancel(self, bench: ExperimentForms, payload: Payload) -> Views:
        kind = self._experiments.running
        await self._experiments.cancel()
        yield self._pane(bench, _PANE[kind]) if kind else {}

    async def _show(self, bench: ExperimentForms, payload: Payload) -> Views:
        bench.shown = self._experiments.comparisons.one(payload.number("id"))
        yield self._pane(bench, "compare")

    async def _forget(self, bench: ExperimentForms, payload: Payload) -> Views:
        self._experiments.comparisons.delete(payload.number("id"))
        if bench.shown and bench.shown.id == payload.number("id"):
            bench.shown = None
        yield self._pane(bench, "compare")

    async def _bench(self, bench: ExperimentForms, payload: Payload) -> Views:
        self._experiments.bench(self._job(bench.benchmark))
        async for view in self._follow(bench, "bench"):
            yield view

    async def _tune(self, bench: ExperimentForms, payload: Payload) -> Views:
        own = self._store.recent_prompts(tune_run.PROMPTS)
        prompts = tune_run.prompts_of(own, self._files(bench.benchmark), tune_run.PROMPTS)
        encoded = tune_run.encoded(self._experiments.prompt(), prompts, tune_run.MAX_TOKENS)
        self._experiments.tune(encoded, (), tune_run.MAX_TOKENS)
        async for view in self._follow(bench, "tune"):
            yield view

    async def _apply(self, bench: ExperimentForms, payload: Payload) -> Views:
        self._experiments.apply()
        yield self._pane(bench, "bench")

    # Showing and following

    async def _follow(self, bench: ExperimentForms, kind: Kind) -> Views:
        pane = _PANE[kind]
        if old := bench.readers.pop(pane, None):
            old.close()
        experiment = self._experiments.of(kind)
        if experiment is None or experiment.latest.value.ended:
            yield self._pane(bench, pane)
            return
        reader = bench.readers[pane] = experiment.latest.reader()
        async for _ in reader:
            yield self._pane(bench, pane)
        if bench.readers.get(pane) is reader:
            del bench.readers[pane]
            yield self._pane(bench, pane)
        else:
            yield {}

    def _pane(self, bench: ExperimentForms, name: str) -> dict[str, Markup]:
        if name == "compare":
            return {"compare": self._compare_pane(bench)}
        experiments = self._experiments
        return {
            "bench": benchmark.pane(
                bench.texts,
                bench.benchmark,
                experiments.mt_bench.latest.value if experiments.mt_bench else None,
                experiments.race.latest.value if experiments.race else None,
                self._folder,
                experiments.running,
                experiments.setting().pair,
            )
        }

    def _compare_pane(self, bench: ExperimentForms) -> Markup:
        experiment = self._experiments.comparison
        state = experiment.latest.value if experiment else None
        if state is not None and state.ended and bench.shown is None:
            made = state.so_far.comparison
            bench.shown = made if made and made.id else None
        shown = bench.shown
        words = ""
        if shown is not None:
            verdict = self._experiments.auto.verdict(shown.language, shown.kind)
            words = verdict_words(bench.texts, verdict)
        kept, device = self._experiments.comparisons.all(20), self._experiments.setting().device
        prompt, form = self._experiments.prompt, bench.compare
        return compare.pane(bench.texts, form, state, shown, kept, prompt, words, device)

    # Reading

    def _files(self, form: benchmark.BenchmarkForm) -> Sequence[Path]:
        chosen = form.questions or set_for(self._experiments.setting().pair)
        return reports.question_files(chosen, self._folder)

    def _job(self, form: benchmark.BenchmarkForm) -> Job:
        return mt_bench_run.job_of(
            self._files(form),
            Sampling(max_tokens=form.tokens),
            parallel=tuple(int(part) for part in form.parallel.split(",")),
            limit=form.limit or None,
        )

    def _read_forms(self, bench: ExperimentForms, payload: Payload) -> None:
        """What stands in the forms comes with every action."""
        form = bench.compare
        if "rounds" in payload:
            bench.compare = compare.CompareForm(
                prompt=form.prompt if form.until else payload.text("text", form.prompt),
                until=form.until,
                rounds=payload.one_of("rounds", compare.ROUNDS, form.rounds),
                tokens=payload.one_of("tokens", compare.TOKENS, form.tokens),
                temperature=payload.one_of("temperature", compare.TEMPERATURES, 0.0),
            )
        if "questions" in payload:
            old = bench.benchmark
            bench.benchmark = benchmark.BenchmarkForm(
                questions=payload.text("questions"),
                parallel=payload.one_of("parallel", benchmark.PARALLEL, old.parallel),
                limit=payload.one_of("limit", benchmark.LIMITS, old.limit),
                tokens=payload.one_of("bench_tokens", benchmark.TOKENS, old.tokens),
            )

    async def _plan(self, form: compare.CompareForm) -> ComparisonPlan:
        """In a thread: an engine elsewhere may have to be asked how a prompt is written."""
        prompt, how = self._experiments.prompt(), (form.rounds, form.tokens, form.temperature)
        if form.until is None:
            return await asyncio.to_thread(plan_of_text, prompt, form.prompt, *how)
        return await asyncio.to_thread(plan_of, prompt, self._said(form.until), *how)

    def _said(self, message_id: int) -> list[Message]:
        """The conversation up to the last user message not behind this one."""
        message = self._store.message(message_id)
        said = [m for m in self._store.messages(message.conversation_id) if m.id <= message_id]
        while said and said[-1].role is not Role.USER:
            said.pop()
        if not said:
            raise InputError("nothing_to_retry")
        return said
