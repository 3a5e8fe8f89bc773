"""The live panel: what is measured of the reply that runs, or was measured of the last.

With speculation off there is no draft, so there is no accept length and no step to draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from chatapp.domain import Figures, Message, MessageState, Tree
from chatapp.measure.figures import WINDOW_STEPS, LiveFigures
from chatapp.texts import Texts
from chatapp.ui import numbers
from chatapp.ui.render import render

STEPS = 40
POINTS = 120


@dataclass(frozen=True, slots=True)
class Shown:
    """The figures of one reply. ``speed`` and ``accept`` are of now while it runs."""

    state: str
    on: bool = True
    live: bool = False
    speed: float | None = None
    accept: float | None = None
    average_speed: float | None = None
    average: float | None = None
    steps: tuple[int, ...] = ()
    course: tuple[float, ...] = ()
    histogram: tuple[int, ...] = ()
    ttft_s: float | None = None
    tokens: int | None = None
    verify_steps: int = 0
    prompt: tuple[int, int] | None = None


def running(live: LiveFigures | None, state: MessageState, speculation: bool) -> Shown:
    """Of the reply that is being written."""
    name = "waiting" if state is MessageState.WAITING else "running"
    if live is None:
        return Shown(name, on=speculation, live=True)
    return Shown(
        name,
        on=speculation,
        live=True,
        speed=live.tokens_per_second_now,
        accept=live.accept_length_now,
        average_speed=live.tokens_per_second,
        average=live.accept_length,
        steps=live.step_lengths[-STEPS:],
        course=course(live.step_lengths),
        histogram=live.histogram,
        ttft_s=live.ttft_s,
        tokens=live.completion_tokens,
        verify_steps=live.verify_steps,
    )


def settled(messages: Sequence[Message], speculation: bool) -> Shown:
    """Of the last reply that has figures; with none, only the toggle is known."""
    for message in reversed(messages):
        if message.figures is not None:
            return _of(message.figures, message.state.value)
    return Shown("none", on=speculation)


def _of(figures: Figures, state: str) -> Shown:
    on = figures.speculation
    return Shown(
        state if state in ("finished", "stopped", "failed") else "stopped",
        on=on,
        speed=figures.tokens_per_second,
        accept=figures.accept_length if on else None,
        average=figures.accept_length if on else None,
        steps=figures.step_lengths[-STEPS:] if on else (),
        course=course(figures.step_lengths) if on else (),
        histogram=figures.accept_histogram,
        ttft_s=figures.ttft_s,
        tokens=figures.completion_tokens,
        verify_steps=figures.verify_steps,
        prompt=(figures.prompt_tokens, figures.cached_tokens),
    )


def panel(texts: Texts, shown: Shown, messages: Sequence[Message], tree: Tree | None) -> Markup:
    """``messages`` are those of the conversation, for its averages."""
    most = max(tree.steps + 1 if tree else 1, len(shown.histogram), *shown.steps, 4)
    return render(
        "figures",
        texts,
        state=shown.state,
        on=shown.on,
        live=shown.live,
        speed=shown.speed,
        accept=shown.accept if shown.on else None,
        steps=shown.steps,
        most=most,
        line=_line(shown.course, most),
        average=shown.average,
        histogram=_bars(shown.histogram, tree.steps + 1 if tree else len(shown.histogram) or 4),
        rows=[*_reply_rows(texts, shown), *_conversation_rows(texts, messages)],
    )


def course(step_lengths: Sequence[int]) -> tuple[float, ...]:
    """The accept length over a whole reply, each over the ten steps before it; at most
    ``POINTS`` of them, evenly spread, the last always there."""
    last = len(step_lengths)
    every = max(1, -(-last // POINTS))
    ends = range(last, 0, -every)
    means = (step_lengths[max(0, end - WINDOW_STEPS) : end] for end in ends)
    return tuple(sum(window) / len(window) for window in means)[::-1]


def _line(points: Sequence[float], most: int) -> str:
    """The points of an SVG line in a box of 100 × 100."""
    if len(points) < 2:
        return ""
    width = 100 / (len(points) - 1)
    return " ".join(
        f"{at * width:.1f},{100 - 100 * value / most:.1f}" for at, value in enumerate(points)
    )


def strip(texts: Texts, shown: Shown) -> Markup:
    return render("strip", texts, speed=shown.speed, accept=shown.accept if shown.on else None)


def _bars(histogram: tuple[int, ...], columns: int) -> list[dict[str, float]]:
    """One bar per number of tokens gained; a share of 1 is the highest bar."""
    counts = [*histogram, *[0] * columns][: max(columns, len(histogram))]
    top = max([*counts, 1])
    return [
        {"length": accepted + 1, "count": count, "share": round(count / top, 3)}
        for accepted, count in enumerate(counts)
    ]


def _reply_rows(texts: Texts, shown: Shown) -> list[tuple[str, str]]:
    if shown.tokens is None:
        return []
    rows = [(texts("page.figures.ttft"), f"{numbers.seconds(shown.ttft_s)} s")]
    if shown.on:
        total = f"{numbers.count(shown.tokens)} / {numbers.count(shown.verify_steps)}"
        rows.append((texts("page.figures.total"), total))
    else:
        rows.append((texts("page.figures.tokens"), numbers.count(shown.tokens)))
    if shown.live:
        rows.append((texts("page.figures.reply_speed"), numbers.speed(shown.average_speed)))
        if shown.on:
            rows.append((texts("page.figures.average"), numbers.length(shown.average)))
    elif shown.prompt:
        rows.append((texts("page.figures.cached"), f"{shown.prompt[0]:,} / {shown.prompt[1]:,}"))
    return rows


def _conversation_rows(texts: Texts, messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Averages over the replies of this conversation; only what there is to average."""
    on = [m for m in messages if m.figures and m.figures.speculation]
    rows = []
    if (average := _accept(on)) is not None:
        rows.append((texts("page.figures.conversation"), numbers.length(average)))
    by_language = [_accept([m for m in on if m.language == name]) for name in ("zh", "en")]
    if None not in by_language:
        both = " / ".join(numbers.length(value) for value in by_language)
        rows.append((texts("page.figures.languages"), both))
    speeds = [_speed(on), _speed([m for m in messages if m.figures and m not in on])]
    if None not in speeds:
        both = " / ".join(numbers.speed(value) for value in speeds)
        rows.append((texts("page.figures.compare"), both))
    return rows


def _accept(messages: Sequence[Message]) -> float | None:
    steps = sum(m.figures.verify_steps for m in messages if m.figures)
    accepted = sum(m.figures.accepted_drafts for m in messages if m.figures)
    return (accepted + steps) / steps if steps else None


def _speed(messages: Sequence[Message]) -> float | None:
    """Tokens per second over all of them together: tokens decoded by time spent."""
    tokens = seconds = 0.0
    for figures in (m.figures for m in messages if m.figures):
        if figures.tokens_per_second and figures.ttft_s is not None:
            spent = figures.duration_s - figures.ttft_s
            tokens, seconds = tokens + figures.tokens_per_second * spent, seconds + spent
    return tokens / seconds if seconds else None
