"""``bench switch`` on real engines: what it says agrees with itself. How fast it is on
this machine is no test's business."""

from __future__ import annotations

import pytest

from chatapp.application.experiments.switch import prompts_for
from chatapp.commands.bench_switch import table
from chatapp.domain import Pair, Sampling
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.engine.prompt import ChatPrompt
from chatapp.measure.bench.switch_bench import ARMS, SwitchBench, report
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
    told = report(bench.done)
    assert told["identical_texts"]
    assert told["off_ratio"] == pytest.approx(
        told["off_tokens_per_second"] / told["plain_tokens_per_second"]
    )
    assert told["speedup"] == pytest.approx(
        told["on_tokens_per_second"] / told["plain_tokens_per_second"]
    )
    for arm in ARMS:
        low, high = told[f"{arm}_spread"]
        assert 0 < low <= told[f"{arm}_tokens_per_second"] <= high
    assert told["accept_length"] >= 1
    shown = told | {
        "pair": pocket_pair.name,
        "tree": str(pocket_pair.tree),
        "simulated_accept_length": None,
    }
    for language in LANGUAGES:
        assert "{" not in table(shown, Texts(language))


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
