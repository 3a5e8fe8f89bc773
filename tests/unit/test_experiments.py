"""Experiments of the page: one at a time, undisturbed, and whatever was measured is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatapp.application.experiments import mt_bench_run
from chatapp.application.experiments.experiments import Experiments
from chatapp.application.experiments.runner import State
from chatapp.chat.auto import Auto
from chatapp.chat.store import Store
from chatapp.domain import Pair, Sampling, Tree
from chatapp.errors import EngineError, InputError, UsageError
from chatapp.measure.bench.questions import set_files
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.comparison import Comparing
from chatapp.measure.compare.quiet import Machine
from chatapp.settings import Settings
from chatapp.texts import Texts
from chatapp.ui.experiments_page import ExperimentForms, ExperimentsPage
from chatapp.ui.payload import Payload
from tests.fakes.engine import ScriptedEngine, clockwork
from tests.shown import Shown
from tests.unit.test_comparison import PLAN, SETTING


@dataclass
class Manager(ScriptedEngine):
    """The app's engine, which makes room for others."""

    context_length: int = 4000
    overhead: float = 1.5
    aside_now: int = 0
    restored: int = 0

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[tuple[Pair, Any]]:
        self.aside_now += 1
        try:
            yield Pair("pocket", Path("t"), Path("d"), Tree(3, 1, 4), "float32", 2048), "cpu"
        finally:
            self.aside_now -= 1
            self.restored += 1


class Rig:
    def __init__(self, folder: Path) -> None:
        self.manager, self.store = Manager(), Store(folder / "chats.sqlite3")
        self.settings = Settings(data_dir=folder, language="en")
        auto = Auto(self.store, lambda: Setting("m", "cpu", "pocket", "3/1/4", "float32"))
        self.experiments = Experiments(self.store, self.manager, auto, self.settings)
        self.page = ExperimentsPage(self.store, self.experiments, self.settings)
        self.bench = ExperimentForms(Texts("en"))

    async def do(self, what: str, **data: Any) -> list[dict[str, Any]]:
        said = {"what": what} | data
        return [view async for view in self.page.act(self.bench, Payload(said))]

    async def ended(self, kind: Any = "compare") -> State:
        experiment = self.experiments.of(kind)
        await asyncio.wait_for(asyncio.wait([experiment.task]), 10)
        return experiment.latest.value


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_a_comparison_from_the_form_to_its_kept_result(rig: Rig) -> None:
    views = await rig.do("compare", text="讲个故事", rounds="2", tokens="64", temperature="0.0")
    assert all("compare" in view for view in views)
    assert Shown(views[0]["compare"]).one("button", "Stop")
    last = Shown(views[-1]["compare"])
    assert last.one("button", "Race again") and "same text: 2 of 2" in last.says
    (kept,) = rig.experiments.comparisons.all()
    assert kept.prompt == "讲个故事" and len(kept.ratios) == 2
    again = await rig.do("show", id=kept.id)
    assert Shown(again[-1]["compare"]).one("button", "Race again")
    assert Shown(again[-1]["compare"]).one("heading", "Earlier comparisons")
    gone = await rig.do("forget", id=kept.id)
    assert not Shown(gone[-1]["compare"]).all("heading", "Earlier comparisons")


async def test_stopping_keeps_what_was_measured(rig: Rig) -> None:
    experiment = rig.experiments.compare(PLAN)
    while experiment.latest.value.so_far.comparison is None:  # until the first run has ended
        await asyncio.sleep(0)
    await rig.experiments.cancel()
    state = await rig.ended()
    assert state.stage == "cancelled"
    kept = rig.experiments.comparisons.one(state.so_far.comparison.id)
    assert kept.cancelled and 1 <= len(kept.runs) < 8
    assert rig.experiments.running is None
    assert rig.manager.asked and rig.manager.open_now == 0


async def test_one_experiment_at_a_time(rig: Rig) -> None:
    rig.experiments.compare(PLAN)
    with pytest.raises(InputError) as refused:
        rig.experiments.bench(mt_bench_run.job_of(set_files("pocket"), Sampling()))
    assert refused.value.key == "experiments_busy"
    await rig.ended()


async def test_an_engine_that_cannot_switch_is_told_not_measured(rig: Rig) -> None:
    rig.manager.switch = False
    rig.experiments.compare(PLAN)
    state = await rig.ended()
    assert state.stage == "failed" and state.error.key == "experiments_no_switch"
    assert not rig.experiments.comparisons.all() and not rig.manager.asked


async def test_it_waits_for_replies_that_are_being_written(rig: Rig) -> None:
    chatting = True
    rig.experiments.chatting = lambda: chatting
    rig.experiments.compare(PLAN)
    await asyncio.sleep(0.15)
    assert not rig.manager.asked and rig.experiments.of("compare").latest.value.stage == "waiting"
    chatting = False
    assert (await rig.ended()).stage == "finished"


async def test_a_run_that_chat_disturbed_is_made_again() -> None:
    engine, busy = clockwork(), False

    async def quiet() -> None:
        nonlocal busy
        busy = False

    comparing = Comparing(engine.stream, PLAN, SETTING, machine=Machine(quiet, lambda: busy))
    seen = 0
    async for _ in comparing.events():
        seen += 1
        if seen in (8, 30):
            busy = True
    result = comparing.result
    assert len(result.runs) == 8 and not any(run.cut for run in result.runs)
    assert len(engine.asked) == 2 + 8 + 2
    assert len(result.ratios()) == 4


async def test_a_dead_engine_ends_it_with_the_cause(rig: Rig) -> None:
    rig.manager.fails_at = 1
    rig.experiments.compare(PLAN)
    state = await rig.ended()
    assert state.stage == "failed" and isinstance(state.error, EngineError)
    view = await rig.do("open", view="compare")
    assert Texts("en")("errors.engine_broke_off.what") in Shown(view[-1]["compare"]).says


async def test_a_benchmark_leaves_a_report_in_both_languages(rig: Rig, tmp_path: Path) -> None:
    views = await rig.do("bench", questions="pocket", parallel="4", limit="4", bench_tokens="64")
    assert "time left" in views[0]["bench"] or "Waiting" in views[0]["bench"]
    assert "pocket_zh" in views[-1]["bench"] and "×" in views[-1]["bench"]
    names = sorted(path.suffixes[-1] for path in (tmp_path / "bench").glob("mt-bench-*"))
    assert names == [".html", ".html", ".json"]
    assert not (tmp_path / "bench" / "mt-bench.jsonl").exists()


async def test_a_race_puts_the_engine_aside_and_back_whatever_happens(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def temporary_engine(*_: Any) -> AsyncIterator[Any]:
        assert rig.manager.aside_now == 1
        yield rig.manager

    monkeypatch.setattr(
        "chatapp.application.experiments.engines.temporary_engine", temporary_engine
    )
    views = await rig.do("tune")
    assert rig.manager.restored == 1 and Shown(views[-1]["bench"]).one("list", "Speed of each tree")
    rig.manager.fails_at = 1
    await rig.do("tune")
    assert rig.manager.restored == 2
    rig.manager.fails_at = None
    rig.experiments.tune([[1, 2]] * 3, (Tree(5, 1, 6),), 400)
    await asyncio.sleep(0)
    await rig.experiments.cancel()
    assert rig.manager.aside_now == 0


async def test_up_to_a_message_is_the_conversation_as_it_was(rig: Rig) -> None:
    conversation = rig.store.create_conversation("")
    for text in ("one", "two"):
        _, reply = rig.store.add_turn(conversation.id, text, "en")
        rig.store.update_message(reply.id, text=f"answer to {text}")
    last = rig.store.messages(conversation.id)[-1]
    view = await rig.do("until", id=last.id)
    assert "two" in view[-1]["compare"]
    await rig.do("compare", rounds="1", tokens="64", temperature="0.0")
    kept = rig.experiments.comparisons.one(rig.experiments.comparisons.all()[0].id)
    assert [text for _, text in kept.messages] == ["one", "answer to one", "two"]
    cleared = await rig.do("clear")
    assert "This conversation" not in cleared[-1]["compare"]


async def test_an_empty_prompt_is_refused_in_words(rig: Rig) -> None:
    with pytest.raises(InputError):
        await rig.do("compare", text="  ", rounds="1", tokens="64", temperature="0.0")
    assert rig.experiments.of("compare") is None


async def test_question_files_of_ones_own_are_offered(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "bench" / "questions"
    folder.mkdir(parents=True)
    (folder / "mine.jsonl").write_text('{"question_id": 1, "category": "c", "turns": ["你好"]}')
    view = await rig.do("open", view="bench")
    assert Shown(view[-1]["bench"]).one("option", "mine")
    done = await rig.do("bench", questions="mine.jsonl", parallel="1", limit="4", bench_tokens="64")
    assert Shown(done[-1]["bench"]).one("columnheader", "mine")
    with pytest.raises(UsageError):
        await rig.do("bench", questions="../../etc", parallel="1", limit="4", bench_tokens="64")
