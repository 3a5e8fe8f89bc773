"""The figures of one reply, derived from the record of its stream. Pure; every formula once.

* **Accept length**: tokens gained per verify step, the bonus token included:
  (verify steps + accepted drafts) / verify steps.
* **Decode speed**, tokens/s: tokens that came after the first chunk, divided by the time
  from the first chunk to the last. The prompt's pass is not in it.
* **Time to first token**: from sending the request to the first chunk.
* **Time per verify step**: the time from the first chunk to the last, divided by the verify
  steps in between. Decode speed is accept length / time per verify step.

Of a stream that was held back on its way (``held_back``) no time is a figure.

*Now* means the last second for the speed, and the last ten verify steps for the accept
length; the formulas are the same. Averages over replies (``averages``) take the same
formulas of sums: all tokens gained by all verify steps, not a mean of means.

How a new one comes into the panel stands in ``.github/CONTRIBUTING.md``, file by file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chatapp.domain import ReplyMetrics
from chatapp.measure.reply.trace import Arrival, Trace

WINDOW_S = 1.0
WINDOW_STEPS = 10
NOTICED_S = 0.2


@dataclass(frozen=True, slots=True)
class Window:
    """A reply as it is now; None: nothing to measure yet."""

    tokens_per_second: float | None
    accept_length: float | None


def metrics_of(trace: Trace) -> ReplyMetrics:
    """Of the whole reply, or of what there is of it so far."""
    arrivals = trace.arrivals
    counts = trace.histogram or histogram(trace.step_lengths)
    steps, drafts = sum(counts), sum(number * times for number, times in enumerate(counts))
    span = arrivals[-1].at - arrivals[0].at if arrivals else 0.0
    timed = () if held_back(span, trace.decode_s) else arrivals
    return ReplyMetrics(
        speculation=trace.speculation,
        prompt_tokens=trace.prompt_tokens,
        completion_tokens=arrivals[-1].tokens if arrivals else 0,
        cached_tokens=trace.cached_tokens,
        verify_steps=steps,
        accepted_drafts=drafts,
        accept_histogram=counts,
        accept_length=accept_length(steps, drafts),
        tokens_per_second=_speed(timed),
        ttft_s=timed[0].at if timed else None,
        duration_s=arrivals[-1].at if arrivals else 0.0,
        step_lengths=trace.step_lengths,
        simulated_accept_length=trace.simulated_accept_length if trace.speculation else None,
        verify_step_s=_step_time(timed),
    )


def window_of(trace: Trace) -> Window:
    """Looks at the end of the record only."""
    lengths = trace.step_lengths[-WINDOW_STEPS:]
    return Window(
        tokens_per_second=_speed(_last_second(trace.arrivals)),
        accept_length=mean_length(lengths),
    )


def accept_history(step_lengths: Sequence[int], points: int) -> tuple[float, ...]:
    """The accept length over a whole reply, each over the ten steps before it; at most
    ``points`` of them, evenly spread, the last always there."""
    last = len(step_lengths)
    every = max(1, -(-last // points))
    windows = (step_lengths[max(0, end - WINDOW_STEPS) : end] for end in range(last, 0, -every))
    return tuple(mean_length(window) or 0.0 for window in windows)[::-1]


def held_back(span_s: float, decode_s: float | None) -> bool:
    """Whether a stream came in far less time than the engine took to write it: something on
    the way kept it, and when its chunks came says nothing of the engine."""
    return decode_s is not None and decode_s >= NOTICED_S and span_s < decode_s / 2


def accept_length(verify_steps: int, accepted_drafts: int) -> float | None:
    """Tokens gained per verify step, the bonus token included; None before the first step."""
    return (verify_steps + accepted_drafts) / verify_steps if verify_steps else None


def mean_length(step_lengths: Sequence[int]) -> float | None:
    """The accept length over these verify steps."""
    steps = len(step_lengths)
    return accept_length(steps, sum(step_lengths) - steps)


def decode_speed(tokens: float, seconds: float) -> float | None:
    """Tokens per second; None where no time passed, as between a chunk and itself."""
    return tokens / seconds if seconds > 0 else None


def histogram(step_lengths: Sequence[int]) -> tuple[int, ...]:
    """``[i]``: verify steps that accepted ``i`` draft tokens."""
    seen = Counter(length - 1 for length in step_lengths)
    return tuple(seen[drafts] for drafts in range(max(seen, default=-1) + 1))


def _speed(arrivals: Sequence[Arrival]) -> float | None:
    """From the first of them to the last."""
    if not arrivals:
        return None
    first, last = arrivals[0], arrivals[-1]
    return decode_speed(last.tokens - first.tokens, last.at - first.at)


def _step_time(arrivals: Sequence[Arrival]) -> float | None:
    """Seconds per verify step; None where the steps are not told, or there were none."""
    if not arrivals or arrivals[-1].steps == arrivals[0].steps:
        return None
    first, last = arrivals[0], arrivals[-1]
    return (last.at - first.at) / (last.steps - first.steps)


def _last_second(arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """Those since the last one that is at least a second old; two at least."""
    if not arrivals:
        return arrivals
    begin = bisect_right(arrivals, arrivals[-1].at - WINDOW_S, key=lambda one: one.at) - 1
    return arrivals[max(0, min(begin, len(arrivals) - 2)) :]
