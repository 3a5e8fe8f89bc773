"""What the rounds of ``bench switch`` say together, as JSON and as lines for a terminal."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chatapp.measure.bench.switch_bench import ARMS, Round, SwitchAnswer
from chatapp.measure.reply.averages import average
from chatapp.texts import Texts


@dataclass(frozen=True, slots=True)
class Median:
    """Over the rounds, with the smallest and the largest value."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """``speeds``: tokens/s by arm. The two ratios are to the engine without a draft: those of
    the medians, and the smallest and largest of a round. ``accept_lengths`` by language;
    ``completion_tokens`` of one round."""

    rounds: int
    prompts: int
    completion_tokens: int
    speeds: Mapping[str, Median]
    off_ratio: Median
    speedup: Median
    accept_length: float | None
    accept_lengths: Mapping[str, float | None]
    identical_texts: bool


@dataclass(frozen=True, slots=True)
class SwitchReport:
    """``switch``: whether the engine can be switched at all; ``load_average`` is that of the
    last minute."""

    pair: str
    device: str
    tree: str
    max_tokens: int
    switch: bool
    simulated_accept_length: float | None
    cores: int | None
    load_average: float
    result: SwitchResult


def result_of(rounds: Sequence[Round]) -> SwitchResult:
    """At least one round."""
    speeds = {arm: [one.tokens_per_second(arm) for one in rounds] for arm in ARMS}
    answers = [answer for one in rounds for answer in one.answers["on"]]
    by_language = {
        language: [answer for answer in answers if answer.prompt.language == language]
        for language in sorted({answer.prompt.language for answer in answers})
    }
    first = rounds[0].answers["on"]
    return SwitchResult(
        rounds=len(rounds),
        prompts=len(first),
        completion_tokens=sum(answer.figures.completion_tokens for answer in first),
        speeds={arm: _median(values) for arm, values in speeds.items()},
        off_ratio=_ratio(speeds["off"], speeds["plain"]),
        speedup=_ratio(speeds["on"], speeds["plain"]),
        accept_length=_accept_length(answers),
        accept_lengths={name: _accept_length(of_it) for name, of_it in by_language.items()},
        identical_texts=all(one.identical for one in rounds),
    )


def as_json(report: SwitchReport) -> dict[str, Any]:
    """What ``--json`` prints: flat, ``X`` and ``X_spread`` for every median."""
    told, found = asdict(report), report.result
    del told["result"]
    medians = {f"{arm}_tokens_per_second": (arm, speed) for arm, speed in found.speeds.items()}
    medians |= {name: (name, getattr(found, name)) for name in ("off_ratio", "speedup")}
    for name, (short, median) in medians.items():
        told |= {name: median.value, f"{short}_spread": [median.low, median.high]}
    for name in ("rounds", "prompts", "completion_tokens", "accept_length", "identical_texts"):
        told[name] = getattr(found, name)
    return told | {f"accept_length_{name}": one for name, one in found.accept_lengths.items()}


def lines(report: SwitchReport, texts: Texts) -> str:
    """One line per arm, then the two ratios."""
    found, length = report.result, report.simulated_accept_length
    head = texts("bench_switch.title", pair=report.pair, tree=report.tree, rounds=found.rounds)
    told = [head, *(_line(texts, arm, found.speeds[arm], 1) for arm in ARMS)]
    told.append(_line(texts, "off_ratio", found.off_ratio, 2))
    told.append(_line(texts, "speedup", found.speedup, 2))
    if found.accept_length is not None:
        told.append(texts("bench_switch.accepted", value=f"{found.accept_length:.2f}"))
    if length is not None:
        told.append(texts("bench_switch.simulated", value=length))
    same = "identical" if found.identical_texts else "different"
    return "\n".join([*told, texts(f"bench_switch.{same}")])


def _line(texts: Texts, name: str, median: Median, digits: int) -> str:
    spread = f"{median.low:.{digits}f}–{median.high:.{digits}f}"
    return texts(f"bench_switch.{name}", value=f"{median.value:.{digits}f}", spread=spread)


def _median(values: Sequence[float]) -> Median:
    return Median(statistics.median(values), min(values), max(values))


def _ratio(ours: Sequence[float], plain: Sequence[float]) -> Median:
    ratios = [one / other for one, other in zip(ours, plain, strict=True)]
    return Median(statistics.median(ours) / statistics.median(plain), min(ratios), max(ratios))


def _accept_length(answers: Sequence[SwitchAnswer]) -> float | None:
    return average(answer.figures for answer in answers).accept_length
