"""What the switch costs when off, and what speculation gains when on. No engine inside.

Three arms answer the same prompts: an engine started without a draft (*plain*), and the
switchable one *off* and *on*. They take turns prompt by prompt, and the first changes
from round to round, so whatever else the machine does meets all three alike.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field

from chatapp.domain import ReplyMetrics, Sampling
from chatapp.measure.reply.averages import average
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.stream import Stream, read

ARMS = ("plain", "off", "on")


@dataclass(frozen=True, slots=True)
class SwitchPrompt:
    """``ids`` are what the engine gets; ``language`` is that of the question."""

    text: str
    language: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SwitchAnswer:
    prompt: SwitchPrompt
    text: str
    figures: ReplyMetrics


@dataclass(frozen=True, slots=True)
class Round:
    """Arm → its answers to all prompts, in order."""

    answers: Mapping[str, tuple[SwitchAnswer, ...]]

    def tokens_per_second(self, arm: str) -> float:
        """Decode speed over all prompts of the round; 0 where no reply took any time."""
        return average(answer.figures for answer in self.answers[arm]).tokens_per_second or 0.0

    @property
    def identical(self) -> bool:
        """Whether all arms wrote the same texts."""
        first, *others = ([answer.text for answer in self.answers[arm]] for arm in ARMS)
        return all(other == first for other in others)


@dataclass(slots=True)
class SwitchBench:
    """Give it one stream per arm; ``run`` yields after each round how many were measured."""

    streams: Mapping[str, Stream]
    prompts: Sequence[SwitchPrompt]
    rounds: int
    sampling: Sampling
    done: list[Round] = field(default_factory=list)

    async def run(self) -> AsyncGenerator[int]:
        for number in range(self.rounds + 1):
            answers: dict[str, list[SwitchAnswer]] = {arm: [] for arm in ARMS}
            for at, prompt in enumerate(self.prompts):
                for arm in _rotated(number + at):
                    answers[arm].append(await self._answer(arm, prompt))
            if number:  # the first round fills caches and is not measured
                self.done.append(Round({arm: tuple(got) for arm, got in answers.items()}))
            yield number

    async def _answer(self, arm: str, prompt: SwitchPrompt) -> SwitchAnswer:
        on = arm == "on"
        text, trace = await read(self.streams[arm](prompt.ids, self.sampling, on), on)
        return SwitchAnswer(prompt, text, metrics_of(trace))


def _rotated(by: int) -> tuple[str, ...]:
    first = by % len(ARMS)
    return ARMS[first:] + ARMS[:first]
