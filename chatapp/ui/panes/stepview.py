"""The step view of a finished reply: its text with every verify step as one tinted group.

Readable without colour: drafted tokens are underlined, the bonus token carries a mark
below. What a group is said to be stands in its ``data-tip``, and beside the text when it
is pointed at or has the focus.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from chatapp.chat.messages import clean
from chatapp.measure.reply.steps import Decoder, Group, TokenSource, groups
from chatapp.measure.reply.trace import Trace
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render

_IDS_SHOWN = 24


@dataclass(frozen=True, slots=True)
class StepGroup:
    """One group as it is drawn; ``at`` is when it came, for a replay."""

    tip: str
    tinted: bool
    pieces: tuple[tuple[str, str], ...]
    at: float


def step_view(texts: Texts, trace: Trace | None, text: str, decoder: Decoder) -> Markup:
    """``text`` is what the reply's normal rendering shows."""
    if trace is None or not trace.token_ids:
        return render("steps_missing", texts, reason=texts("evidence.steps.no_record"))
    if trace.histogram and trace.speculation and not trace.step_lengths:
        return render("steps_missing", texts, reason=texts("evidence.steps.untold"))
    try:
        found = groups(trace, decoder)
    except ValueError:  # a record that does not add up
        return render("steps_missing", texts, reason=texts("evidence.steps.no_record"))
    if not matches(found, text):
        return render("steps_missing", texts, reason=texts("evidence.steps.other_pair"))
    return render("steps", texts, groups=drawn(texts, trace, found), on=trace.speculation)


def matches(found: tuple[Group, ...], text: str) -> bool:
    """Whether these tokens are this text; another pair's tokens read differently."""
    whole = clean("".join(piece.text for group in found for piece in group.pieces))
    return whole.startswith(text.rstrip("\ufffd"))


def drawn(texts: Texts, trace: Trace, found: tuple[Group, ...]) -> list[StepGroup]:
    shown, tokens = [], 0
    for number, group in enumerate(found):
        tokens += len(group.token_ids)
        pieces = tuple((piece.source.value, clean(piece.text)) for piece in group.pieces)
        tip = _tip(texts, trace, group)
        shown.append(StepGroup(tip, number % 2 == 1, pieces, _at(trace, tokens)))
    return shown


def _tip(texts: Texts, trace: Trace, group: Group) -> str:
    ids = " ".join(str(token) for token in group.token_ids[:_IDS_SHOWN])
    if len(group.token_ids) > _IDS_SHOWN:
        ids += " …"
    if not trace.speculation:
        key = "token"
    elif group.first == group.last:
        key = "prompt" if group.first == 0 else "step"
    else:
        key = "steps"
    drafted = sum(s is TokenSource.DRAFTED for piece in group.pieces for s in piece.sources)
    told = texts(
        f"evidence.steps.{key}",
        first=group.first,
        last=group.last,
        gained=len(group.token_ids),
        drafted=drafted,
        ids=ids,
        ms=number_format.milliseconds(group.ms),
    )
    if group.shared_by > group.last - group.first + 1:
        told += " " + texts("evidence.steps.shared", steps=group.shared_by)
    return told


def _at(trace: Trace, tokens: int) -> float:
    """When the chunk came that brought the last of so many tokens."""
    return next((a.at for a in trace.arrivals if a.tokens >= tokens), trace.arrivals[-1].at)
