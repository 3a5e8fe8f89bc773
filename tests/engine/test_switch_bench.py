"""``bench switch`` on real engines: what it says agrees with itself. How fast it is on
this machine is no test's business."""

from __future__ import annotations

import pytest

from chatapp.application.experiments.switch_run import prompts_for
from chatapp.domain import Pair, Sampling
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.measure.bench.switch_bench import ARMS, SwitchBench
from chatapp.measure.bench.switch_report import SwitchReport, lines, result_of
from chatapp.texts import LANGUAGES, Texts


async def test_one_run_over_three_lanes(
    engine: LocalEngine, plain_engine: LocalEngine, prompt: ChatPrompt, pocket_pair: Pair
) -> None:
    prompts = prompts_for(pocket_pair.name, prompt)
    assert {asked.language for asked in prompts} == {"zh", "en"}
    streams = {"plain": plain_engine, "off": engine, "on": engine}
    bench = SwitchBench(
        {arm: by.client.stream for arm, by in streams.items()},
        prompts[::6],
        rounds=2,
        sampling=Sampling(max_tokens=48),
    )
    assert [done async for done in bench.run()] == [0, 1, 2]
    found = result_of(bench.done)
    assert found.identical_texts
    on, off, plain = (found.speeds[arm].value for arm in ("on", "off", "plain"))
    assert found.off_ratio.value == pytest.approx(off / plain)
    assert found.speedup.value == pytest.approx(on / plain)
    for speed in found.speeds.values():
        assert 0 < speed.low <= speed.value <= speed.high
    assert found.accept_length is not None and found.accept_length >= 1
    tree = str(pocket_pair.tree)
    report = SwitchReport(pocket_pair.name, "cpu", tree, 48, True, None, 2, 0.0, found)
    for language in LANGUAGES:
        assert "{" not in lines(report, Texts(language))


async def test_lanes_ran_as_they_are_called(
    engine: LocalEngine, plain_engine: LocalEngine, prompt: ChatPrompt, pocket_pair: Pair
) -> None:
    asked = prompts_for(pocket_pair.name, prompt)[0]
    streams = {"plain": plain_engine, "off": engine, "on": engine}
    bench = SwitchBench(
        {arm: by.client.stream for arm, by in streams.items()},
        [asked],
        rounds=1,
        sampling=Sampling(max_tokens=24),
    )
    assert [done async for done in bench.run()]
    steps = {arm: bench.done[0].answers[arm][0].figures.verify_steps for arm in ARMS}
    assert (steps["plain"], steps["off"]) == (0, 0)
    assert steps["on"] > 0
