"""Comparisons against a scripted engine whose speeds are known, and what is made of them."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.chat.comparisons import Comparisons, as_document, from_document
from chatapp.chat.evidence_reader import EvidenceReader
from chatapp.chat.store import Store
from chatapp.domain import Role, Sampling
from chatapp.errors import EngineError, StoreError
from chatapp.measure.compare.arms import Setting, summarise
from chatapp.measure.compare.comparison import (
    ArmText,
    Comparing,
    ComparisonPlan,
    RunEnded,
    WarmingUp,
    order,
)
from chatapp.measure.compare.verdict import verdict
from tests.fakes.engine import LETTERS, ScriptedEngine, clockwork

SETTING = Setting("a machine", "cpu", "pocket", "3/1/4", "float32")
PLAN = ComparisonPlan(
    ((Role.USER, "说个故事"),), (1, 2, 3), "zh", Sampling(max_tokens=24), rounds=4
)


async def compare(
    engine: ScriptedEngine, plan: ComparisonPlan = PLAN, setting: Setting = SETTING
) -> Comparing:
    comparing = Comparing(engine.stream, plan, setting, clock=lambda: 1000.0)
    async for _ in comparing.events():
        pass
    return comparing


async def test_lanes_alternate_after_an_uncounted_warm_up_of_each() -> None:
    engine = clockwork()
    result = (await compare(engine)).result
    sides = [asked.speculation for asked in engine.asked]
    assert sides == [True, False, True, False, False, True, True, False, False, True]
    assert [asked.sampling.max_tokens for asked in engine.asked] == [16, 16, *[24] * 8]
    assert len(result.runs) == 8 and not result.cancelled
    assert [(run.round, run.place) for run in result.runs[:4]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert order(1) == (True, False) and order(2) == (False, True)


async def test_the_summary_is_what_the_clockwork_does() -> None:
    summary = summarise((await compare(clockwork())).result)
    # 23 tokens after the first: on in 8 steps of 0.15 s, off in 23 steps of 0.1 s.
    assert summary.on.tokens_per_second.value == pytest.approx(23 / 1.2)
    assert summary.off.tokens_per_second.value == pytest.approx(10)
    assert summary.speedup.value == pytest.approx(23 / 12)
    assert summary.speedup.half_width == pytest.approx(0, abs=1e-9)
    assert summary.on.accept_length == pytest.approx(23 / 8)
    assert summary.off.accept_length is None and summary.off.verify_steps == 0
    assert summary.ttft_difference_s == pytest.approx(0)
    assert (summary.pairs, summary.identical, summary.difference) == (4, 4, None)


async def test_both_lanes_stream_and_say_when_a_run_has_ended() -> None:
    comparing = Comparing(clockwork().stream, replace(PLAN, rounds=1), SETTING)
    events = [event async for event in comparing.events()]
    assert [type(event) for event in events[:2]] == [WarmingUp, WarmingUp]
    texts = {side: [e.text for e in events if isinstance(e, ArmText) and e.speculation is side]
             for side in (True, False)}  # fmt: skip
    assert texts[True][-1] == texts[False][-1] == "".join(LETTERS[:24])
    assert len(texts[True]) == 9 and len(texts[False]) == 24
    ended = [event.run for event in events if isinstance(event, RunEnded)]
    assert [run.speculation for run in ended] == [True, False]


@pytest.mark.parametrize("after", [1, 3, 12, 40, 60, 100])
async def test_cancelling_keeps_what_was_measured(after: int) -> None:
    engine = clockwork()
    comparing = Comparing(engine.stream, PLAN, SETTING)
    async with aclosing(comparing.events()) as events:
        seen = 0
        async for _ in events:
            seen += 1
            if seen == after:
                break
    result = comparing.result
    assert result.cancelled
    assert engine.open_now == 0
    whole = [run for run in result.runs if not run.cut]
    assert all(run.finish_reason == "length" for run in whole)
    assert len(result.runs) - len(whole) <= 1
    summary = summarise(result)
    assert (
        summary.pairs == len(result.ratios()) == min(len(result.arm(True)), len(result.arm(False)))
    )


async def test_an_engine_that_fails_leaves_the_rounds_before() -> None:
    engine = clockwork()
    comparing = Comparing(engine.stream, PLAN, SETTING)
    with pytest.raises(EngineError):
        async for event in comparing.events():
            if isinstance(event, RunEnded) and event.run.round == 2:
                engine.fails_at = 4
    result = comparing.result
    assert result.cancelled and result.runs[-1].cut
    assert len(result.ratios()) == 1


@pytest.mark.parametrize(
    ("temperature", "device", "seed", "dtype", "reason"),
    [
        (0.8, "cuda", 1, "float16", "sampling"),
        (0.8, "cpu", None, "float32", "sampling"),
        (0.8, "cpu", 1, "float32", "unexplained"),
        (0.0, "cuda", None, "float16", "near_ties"),
        (0.0, "cpu", None, "float32", "unexplained"),
    ],
)
async def test_where_texts_part_and_why(
    temperature: float, device: str, seed: int | None, dtype: str, reason: str
) -> None:
    """On a GPU a seed repeats nothing; on a CPU it explains no difference."""
    plan = replace(PLAN, sampling=Sampling(temperature=temperature, max_tokens=24, seed=seed))
    comparing = await compare(
        clockwork(swap="f"), plan, replace(SETTING, dtype=dtype, device=device)
    )
    summary = summarise(comparing.result)
    assert summary.identical == 0 and summary.pairs == 4
    assert (summary.difference.character, summary.difference.token) == (5, 5)
    assert summary.difference.reason == reason


async def test_seeds_differ_by_round_and_not_by_lane() -> None:
    engine = clockwork()
    sampling = Sampling(temperature=1.0, seed=7, max_tokens=24)
    await compare(engine, replace(PLAN, sampling=sampling, rounds=3))
    assert [asked.sampling.seed for asked in engine.asked[2:]] == [7, 7, 8, 8, 9, 9]


async def test_comparisons_are_kept_listed_and_read_again(tmp_path: Path) -> None:
    kept = Comparisons(Store(tmp_path / "chats.sqlite3"))
    result = (await compare(clockwork())).result
    first = kept.keep(result)
    second = kept.keep(replace(result, language="en"))
    assert kept.one(first.id) == first
    assert [one.id for one in kept.all()] == [second.id, first.id]
    assert kept.all()[1].prompt == "说个故事" and len(kept.all()[1].ratios) == 4
    kept.delete(first.id)
    with pytest.raises(StoreError):
        kept.one(first.id)


async def test_an_export_can_be_read_again_and_recomputed() -> None:
    result = (await compare(clockwork())).result
    told = json.loads(json.dumps(as_document(result), ensure_ascii=False))
    assert from_document(told) == result
    assert summarise(from_document(told)) == summarise(result)


async def test_nothing_simulated_and_nothing_from_elsewhere_makes_a_verdict(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.sqlite3")
    kept, evidence = Comparisons(store), EvidenceReader(store)
    result = (await compare(clockwork())).result
    for other in (
        replace(SETTING, simulated_accept_length=3.3),
        replace(SETTING, machine="another"),
        replace(SETTING, tree="5/4/16"),
        replace(SETTING, pair="published"),
    ):
        kept.keep(replace(result, setting=other))
    assert verdict(evidence.read().observations(SETTING), "zh", "prose").state == "unknown"
    kept.keep(result)
    found = verdict(evidence.read().observations(SETTING), "zh", "prose")
    assert found.state == "faster" and found.comparisons == 1 and found.rounds == 4
