"""The live panel: what is measured of the reply that runs, or was measured of the last.

With speculation off there is no draft, so there is no accept length and no step to draw.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from chatapp.domain import TEXT_LANGUAGES, Message, MessageState, ReplyMetrics, Tree
from chatapp.measure.reply.averages import Average, average
from chatapp.measure.reply.metrics import Window, accept_history
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render

STEPS = 40
POINTS = 120
_LIVE = {MessageState.WAITING: "waiting", MessageState.STREAMING: "running"}


def last_measured(messages: Sequence[Message]) -> Message | None:
    """The last reply that has figures."""
    return next((message for message in reversed(messages) if message.figures), None)


def panel(
    texts: Texts,
    reply: Message | None,
    speculation: bool,
    messages: Sequence[Message],
    tree: Tree | None,
    now: Window | None = None,
) -> Markup:
    """``reply`` is the one that is shown, ``now`` how it goes while it is written.
    ``speculation`` is the toggle, which is all that is known before there are figures;
    ``messages`` are those of the conversation, for its averages."""
    figures = reply.figures if reply else None
    on = figures.speculation if figures else speculation
    live = reply is not None and reply.state in _LIVE
    lengths = figures.step_lengths if figures else ()
    untold = figures is not None and not steps_told(figures)
    counts = figures.accept_histogram if figures else ()
    most = max(tree.steps + 1 if tree else 1, len(counts), *lengths[-STEPS:], 4)
    headline = _headline(reply, now)
    return render(
        "figures",
        texts,
        state=_LIVE.get(reply.state, reply.state.value) if reply else "none",
        on=on,
        live=live,
        speed=headline.tokens_per_second if headline else None,
        accept=headline.accept_length if headline else None,
        untold=untold,
        steps=lengths[-STEPS:],
        most=most,
        line=_line(accept_history(lengths, POINTS), most),
        average=figures.accept_length if figures else None,
        histogram=_bars(counts, tree.steps + 1 if tree else len(counts) or 4),
        rows=[
            *(_reply_rows(texts, figures, live) if figures else ()),
            *_conversation_rows(texts, messages),
        ],
    )


def steps_told(figures: ReplyMetrics) -> bool:
    """Whether the engine tells what each verify step gained; without our plug-in it tells
    their sum, and that at the end."""
    return not figures.speculation or figures.completion_tokens < 2 or bool(figures.step_lengths)


def strip(texts: Texts, reply: Message | None, now: Window | None = None) -> Markup:
    """The two figures that are seen first, for a narrow window."""
    headline = _headline(reply, now)
    return render(
        "strip",
        texts,
        speed=headline.tokens_per_second if headline else None,
        accept=headline.accept_length if headline else None,
    )


def _headline(reply: Message | None, now: Window | None) -> Window | ReplyMetrics | None:
    """The two figures in large letters: of now while it is written, else of the whole reply."""
    if reply is None:
        return None
    return now if now is not None and reply.state in _LIVE else reply.figures


def _line(points: Sequence[float], most: int) -> str:
    """The points of an SVG line in a box of 100 × 100."""
    if len(points) < 2:
        return ""
    width = 100 / (len(points) - 1)
    return " ".join(
        f"{at * width:.1f},{100 - 100 * value / most:.1f}" for at, value in enumerate(points)
    )


def _bars(histogram: tuple[int, ...], columns: int) -> list[dict[str, float]]:
    """One bar per number of tokens gained; a share of 1 is the highest bar."""
    counts = [*histogram, *[0] * columns][: max(columns, len(histogram))]
    top = max([*counts, 1])
    return [
        {"length": accepted + 1, "count": count, "share": round(count / top, 3)}
        for accepted, count in enumerate(counts)
    ]


def _reply_rows(texts: Texts, figures: ReplyMetrics, live: bool) -> list[tuple[str, str]]:
    rows = [(texts("page.figures.ttft"), f"{number_format.seconds(figures.ttft_s)} s")]
    tokens = number_format.count(figures.completion_tokens)
    if figures.speculation:
        steps = figures.verify_steps if steps_told(figures) else figures.verify_steps or None
        total = f"{tokens} / {number_format.count(steps)}"
        rows.append((texts("page.figures.total"), total))
        step_ms = figures.verify_step_s and 1000 * figures.verify_step_s
        rows.append((texts("page.figures.step_time"), f"{number_format.milliseconds(step_ms)} ms"))
    else:
        rows.append((texts("page.figures.tokens"), tokens))
    if live:
        rows.append(
            (texts("page.figures.reply_speed"), number_format.speed(figures.tokens_per_second))
        )
        if figures.speculation:
            rows.append(
                (texts("page.figures.average"), number_format.length(figures.accept_length))
            )
    else:
        cached = f"{figures.prompt_tokens:,} / {figures.cached_tokens:,}"
        rows.append((texts("page.figures.cached"), cached))
    return rows


def _conversation_rows(texts: Texts, messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Averages over the replies of this conversation; only what there is to average."""
    on = [m for m in messages if m.figures and m.figures.speculation]
    off = [m for m in messages if m.figures and not m.figures.speculation]
    rows = []
    if (length := _average(on).accept_length) is not None:
        rows.append((texts("page.figures.conversation"), number_format.length(length)))
    languages = [_average([m for m in on if m.language == name]) for name in TEXT_LANGUAGES]
    lengths = [one.accept_length for one in languages]
    if None not in lengths:
        both = " / ".join(number_format.length(value) for value in lengths)
        rows.append((texts("page.figures.languages"), both))
    speeds = [_average(on).tokens_per_second, _average(off).tokens_per_second]
    if None not in speeds:
        both = " / ".join(number_format.speed(value) for value in speeds)
        rows.append((texts("page.figures.compare"), both))
    return rows


def _average(messages: Sequence[Message]) -> Average:
    return average(m.figures for m in messages if m.figures)
