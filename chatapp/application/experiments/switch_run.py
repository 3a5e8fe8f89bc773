"""What the switch costs when off, and what speculation gains when on, in one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from chatapp.application.experiments.engines import TemporaryEngines
from chatapp.chat.language import detect
from chatapp.domain import Prompt, Role, Sampling
from chatapp.measure.bench.questions import own_sets, read_questions
from chatapp.measure.bench.switch_bench import SwitchBench, SwitchPrompt
from chatapp.measure.bench.switch_report import SwitchReport, result_of

ROUNDS = 5
MAX_TOKENS = 128
PROMPTS_PER_LANGUAGE = 6


@dataclass(frozen=True, slots=True)
class SwitchState:
    """Rounds done of ``rounds``, the first of which only warms up and counts as 0; None
    while it has not ended. ``switch``: whether the engine can be switched at all."""

    rounds: int
    done: int | None = None
    switch: bool = True


async def run(
    engines: TemporaryEngines,
    rounds: int,
    max_tokens: int,
    publish: Callable[[SwitchState], None],
) -> SwitchReport:
    """Both engines are up at once, so that their turns
    lie close together."""
    async with AsyncExitStack() as running:
        plain, switchable = [
            await running.enter_async_context(engines.open(draft)) for draft in (False, True)
        ]
        streams = {"plain": plain, "off": switchable, "on": switchable}
        bench = SwitchBench(
            {name: engine.client.stream for name, engine in streams.items()},
            prompts_for(engines.pair.name, engines.prompt()),
            rounds=rounds,
            sampling=Sampling(max_tokens=max_tokens),
        )
        status = switchable.status()
        publish(SwitchState(rounds, switch=status.switch))
        async for rounds_done in bench.run():
            publish(SwitchState(rounds, rounds_done, status.switch))
    return SwitchReport(
        pair=engines.pair.name,
        device=status.device,
        tree=str(engines.pair.tree),
        max_tokens=max_tokens,
        switch=status.switch,
        simulated_accept_length=status.simulated_accept_length,
        cores=os.cpu_count(),
        load_average=round(os.getloadavg()[0], 2),
        result=result_of(bench.done),
    )


def prompts_for(pair_name: str, prompt: Prompt) -> Sequence[SwitchPrompt]:
    """As many Chinese as English questions, spread over what the project's sets ask."""
    found = []
    for path in own_sets(pair_name):
        questions = read_questions(path, detect).questions
        step = max(1, len(questions) // PROMPTS_PER_LANGUAGE)
        for question in questions[::step][:PROMPTS_PER_LANGUAGE]:
            text = question.turns[0]
            found.append(
                SwitchPrompt(text, detect(text), tuple(prompt.encode([(Role.USER, text)])))
            )
    return found
