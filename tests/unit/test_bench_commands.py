"""Benchmarks in the terminal: they run what the page runs, on engines of their own."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chatapp.commands import bench_mt, bench_switch, bench_tune
from chatapp.domain import EngineState, EngineStatus, Pair, Tree
from chatapp.errors import EngineError, UsageError
from chatapp.settings import Settings
from tests.fakes.elsewhere import serve
from tests.fakes.engine import clockwork


class Engines:
    """In place of SGLang: clockwork, and a record of what was started."""

    def __init__(self) -> None:
        self.clockwork = clockwork()
        self.started: list[tuple[Tree, bool]] = []
        self.running = 0

    @asynccontextmanager
    async def temporary(
        self, pair: Pair, device: str, log: Path, extra: Any, draft: bool
    ) -> AsyncGenerator[SimpleNamespace]:
        self.started.append((pair.tree, draft))
        self.running += 1
        status = EngineStatus(EngineState.READY, pair.name, tree=pair.tree)
        try:
            yield SimpleNamespace(client=self.clockwork, status=lambda: status)
        finally:
            self.running -= 1


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    made = Engines()
    where = "chatapp.application.experiments.engines.temporary_engine"
    monkeypatch.setattr(where, made.temporary)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, device="cpu", pair="pocket", language="en")


def asked(**more: object) -> Namespace:
    return Namespace(json=True, limit=2, max_tokens=24, **more)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_the_table_against_an_engine_without_a_draft(
    engines: Engines, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_mt.main(asked(baseline="plain", tree="3/1/4"), settings) == 0
    assert engines.started == [(Tree(3, 1, 4), True), (Tree(3, 1, 4), False)]
    told = printed(capsys)
    assert {one["arm"] for one in told["requests"]} == {"on", "plain"}
    assert all(row["speedup"] == pytest.approx(23 / 12) for row in told["rows"])
    kept = sorted(path.name.split(".", 1)[1] for path in (settings.data_dir / "bench").glob("mt-*"))
    assert kept == ["en.html", "json", "md", "zh.html"]


def test_a_table_that_an_engine_broke_goes_on(
    engines: Engines, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    engines.clockwork.fails_at = 23  # only steps of one token come by there: speculation off
    with pytest.raises(EngineError):
        bench_mt.main(asked(), settings)
    assert engines.running == 0
    engines.clockwork.fails_at = None
    bench_mt.main(asked(), settings)
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert "2 questions are done" in said.err
    asked_once = [
        (one["arm"], one["set"], one["question_id"], one["turn"]) for one in told["requests"]
    ]
    assert len(asked_once) == len(set(asked_once)) == 2 * 2 * told["questions"]


def test_both_engines_of_the_switch_are_up_together(
    engines: Engines, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_switch.main(asked(rounds=1), settings) == 0
    assert [draft for _, draft in engines.started] == [False, True] and engines.running == 0
    told = printed(capsys)
    assert told["speedup"] == pytest.approx(23 / 12) and told["identical_texts"]
    assert (told["prompts"], told["switch"], told["max_tokens"]) == (12, True, 24)


def test_a_race_gives_every_tree_an_engine_and_keeps_none(
    engines: Engines, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    trees = (Tree(5, 1, 6), Tree(3, 1, 4))
    assert bench_tune.main(asked(trees=trees, tree="7/1/8", apply=True), settings) == 0
    assert [tree for tree, _ in engines.started] == [Tree(7, 1, 8), *trees]
    told = printed(capsys)
    assert told["complete"] and told["current"] == "7/1/8" and not told["worth_changing"]
    assert len(list((settings.data_dir / "bench").glob("tune-*.json"))) == 1


async def test_the_table_of_an_engine_elsewhere(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = tmp_path / "one.jsonl"
    questions.write_text('{"question_id": 1, "category": "c", "turns": ["hello"]}')
    async with serve() as server:
        there = settings.model_copy(update={"engine_url": server.url})
        arguments = asked(questions=[str(questions)])
        assert await asyncio.to_thread(bench_mt.main, arguments, there) == 0
    told = printed(capsys)
    assert (told["machine"].split(" (")[0], told["pair"], told["tree"]) == (
        "NVIDIA L4", "qwen", "3/1/4",
    )  # fmt: skip
    assert {one["arm"] for one in told["requests"]} == {"on", "off"}


@pytest.mark.parametrize(
    ("command", "how"),
    [(bench_switch, {}), (bench_tune, {}), (bench_mt, {"baseline": "plain"}),
     (bench_mt, {"tree": "3/1/4"})],
)  # fmt: skip
def test_an_engine_elsewhere_is_not_started_here(
    command: Any, how: dict[str, str], engines: Engines, settings: Settings
) -> None:
    there = settings.model_copy(update={"engine_url": "http://127.0.0.1:9"})
    with pytest.raises(UsageError) as refused:
        command.main(asked(**how), there)
    assert refused.value.key == "bench_elsewhere" and not engines.started


def test_a_tree_that_is_none_is_refused_before_anything_starts(
    engines: Engines, settings: Settings
) -> None:
    with pytest.raises(UsageError):
        bench_switch.main(asked(tree="3/2"), settings)
    assert not engines.started
