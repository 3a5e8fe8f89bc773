"""From a benchmark's answers to its table. Pure.

*Tokens/s per stream* is completion tokens over decode time of that stream: all tokens
after each request's first chunk, divided by the time from its first chunk to its last,
both summed over the requests. Time to first token is not in it. *Speed-up* is that with
speculation on, divided by that of the baseline. Intervals are 95%, by a bootstrap over
questions in which a question's arms stay together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chatapp.measure import stats
from chatapp.measure.bench.job import Answer
from chatapp.measure.reply.averages import average
from chatapp.measure.reply.metrics import decode_speed


@dataclass(frozen=True, slots=True)
class ResultRow:
    """``category`` None: the whole set. ``identical`` of ``compared`` answers are the same
    text in both arms. The names are those of the JSON report."""

    set: str
    parallel: int
    category: str | None
    tokens_per_second: float | None
    tokens_per_second_interval: tuple[float, float] | None
    accept_length: float | None
    baseline_tokens_per_second: float | None
    baseline_tokens_per_second_interval: tuple[float, float] | None
    speedup: float | None
    speedup_interval: tuple[float, float] | None
    ttft_s: float | None
    baseline_ttft_s: float | None
    requests: int
    compared: int
    identical: int


@dataclass(frozen=True, slots=True)
class _Question:
    """What both arms did with one question: tokens decoded and seconds that took."""

    on: tuple[float, float]
    off: tuple[float, float]


def table(answers: Iterable[Answer], spread: bool = True) -> list[ResultRow]:
    """One row per set and number of streams, and below it one per category. Without
    ``spread`` there are no intervals and no categories, and it costs next to nothing."""
    known = list(answers)
    rows = []
    for name, parallel in dict.fromkeys((one.set, one.parallel) for one in known):
        of_set = [one for one in known if (one.set, one.parallel) == (name, parallel)]
        rows.append(_row(of_set, None, spread))
        for category in dict.fromkeys(one.category for one in of_set) if spread else ():
            rows.append(_row([one for one in of_set if one.category == category], category, True))
    return rows


def _row(answers: Sequence[Answer], category: str | None, spread: bool) -> ResultRow:
    on = [one for one in answers if one.arm == "on"]
    off = [one for one in answers if one.arm != "on"]
    pooled = average(one.figures for one in on)
    questions = _questions(on, off)
    speed, base, speedup = (
        _estimate(questions, statistic, spread) for statistic in (_on_speed, _off_speed, _ratio)
    )
    compared, identical = _same(on, off)
    return ResultRow(
        set=answers[0].set,
        parallel=answers[0].parallel,
        category=category,
        tokens_per_second=pooled.tokens_per_second,
        tokens_per_second_interval=_interval(speed),
        accept_length=pooled.accept_length,
        baseline_tokens_per_second=average(one.figures for one in off).tokens_per_second,
        baseline_tokens_per_second_interval=_interval(base),
        speedup=speedup.value if speedup else None,
        speedup_interval=_interval(speedup),
        ttft_s=_ttft(on),
        baseline_ttft_s=_ttft(off),
        requests=len(answers),
        compared=compared,
        identical=identical,
    )


def _questions(on: Sequence[Answer], off: Sequence[Answer]) -> list[_Question]:
    found = []
    for number in dict.fromkeys(one.question_id for one in (*on, *off)):
        arms = (average(one.figures for one in arm if one.question_id == number)
                 for arm in (on, off))  # fmt: skip
        found.append(_Question(*((arm.decoded_tokens, arm.decode_s) for arm in arms)))
    return found


def _estimate(
    questions: Sequence[_Question],
    statistic: Callable[[Sequence[_Question]], float | None],
    spread: bool,
) -> stats.Estimate | None:
    if spread:
        return stats.bootstrap(questions, statistic)
    value = statistic(questions)
    return None if value is None else stats.Estimate(value, None, None, len(questions))


def _on_speed(questions: Sequence[_Question]) -> float | None:
    return _speed([question.on for question in questions])


def _off_speed(questions: Sequence[_Question]) -> float | None:
    return _speed([question.off for question in questions])


def _ratio(questions: Sequence[_Question]) -> float | None:
    """Over questions that both arms have answered."""
    both = [question for question in questions if question.on[1] > 0 and question.off[1] > 0]
    on, off = _on_speed(both), _off_speed(both)
    return on / off if on and off else None


def _speed(sums: Sequence[tuple[float, float]]) -> float | None:
    return decode_speed(sum(tokens for tokens, _ in sums), sum(spent for _, spent in sums))


def _interval(estimate: stats.Estimate | None) -> tuple[float, float] | None:
    if estimate is None or estimate.low is None or estimate.high is None:
        return None
    return (estimate.low, estimate.high)


def _ttft(answers: Sequence[Answer]) -> float | None:
    known = [one.figures.ttft_s for one in answers if one.figures.ttft_s is not None]
    return sum(known) / len(known) if known else None


def _same(on: Sequence[Answer], off: Sequence[Answer]) -> tuple[int, int]:
    texts = {(one.repeat, one.question_id, one.turn): one.text for one in off}
    pairs = [
        (one.text, texts[key])
        for one in on
        if (key := (one.repeat, one.question_id, one.turn)) in texts
    ]
    return len(pairs), sum(one == other for one, other in pairs)
