"""A comparison: one prompt answered with speculation on and off, and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from chatapp.application.experiments.engines import AppEngines
from chatapp.chat.comparisons import Comparisons
from chatapp.chat.history import check_length, fit
from chatapp.chat.language import detect
from chatapp.chat.messages import check_message
from chatapp.domain import Message, MessageState, Prompt, Role, Sampling
from chatapp.engine.client import on_one_engine
from chatapp.measure.compare.arms import Comparison
from chatapp.measure.compare.comparison import ArmText, Comparing, ComparisonPlan, Event, WarmingUp


@dataclass(frozen=True, slots=True)
class CompareState:
    """``arms`` are the newest texts with speculation on and off, ``now`` the one that is
    being written; ``comparison`` has the runs that have ended."""

    comparison: Comparison | None = None
    arms: tuple[ArmText | None, ArmText | None] = (None, None)
    now: ArmText | WarmingUp | None = None

    def after(self, event: Event, result: Comparison) -> CompareState:
        if isinstance(event, WarmingUp):
            return replace(self, now=event)
        if isinstance(event, ArmText):
            on, off = self.arms
            arms = (event, off) if event.speculation else (on, event)
            return replace(self, now=event, arms=arms)
        return replace(self, comparison=result)


async def run(
    plan: ComparisonPlan,
    engines: AppEngines,
    comparisons: Comparisons,
    publish: Callable[[CompareState], None],
) -> None:
    """Whatever was measured is kept, cancelled or not."""
    async with engines.open() as engine:
        comparing = Comparing(
            on_one_engine(engine.client), plan, engines.setting(), machine=engines.machine
        )
        state = CompareState()
        try:
            async with aclosing(comparing.events()) as events:
                async for event in events:
                    state = state.after(event, comparing.result)
                    publish(state)
        finally:
            publish(replace(state, comparison=comparisons.keep(comparing.result)))


def plan_of_text(
    prompt: Prompt, text: str, rounds: int, tokens: int, temperature: float
) -> ComparisonPlan:
    """Of a prompt by itself. Raises InputError when it cannot be asked."""
    checked = check_message(text)
    check_length(prompt, checked)
    said = [Message(0, 0, Role.USER, checked, MessageState.FINISHED, 0.0)]
    return plan_of(prompt, said, rounds, tokens, temperature)


def plan_of(
    prompt: Prompt, said: Sequence[Message], rounds: int, tokens: int, temperature: float
) -> ComparisonPlan:
    """Of a conversation, which ends with the user message to be answered."""
    fitted = fit(prompt, said)
    kept = [message for message in said if message.text][fitted.dropped_messages :]
    sampling = Sampling(
        temperature=temperature,
        max_tokens=min(tokens, fitted.room),
        seed=1 if temperature else None,
    )
    messages = tuple((message.role, message.text) for message in kept)
    return ComparisonPlan(messages, fitted.ids, detect(said[-1].text), sampling, rounds)
