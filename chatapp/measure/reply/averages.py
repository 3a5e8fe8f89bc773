"""Averages over replies: of a conversation, per language and kind, over all time. Pure.

The formulas are those of one reply, of sums: an average accept length is all tokens gained
by all verify steps, not a mean of means; an average speed is all tokens decoded by all the
time that took.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chatapp.domain import ReplyMetrics
from chatapp.measure.reply.acceptance import add
from chatapp.measure.reply.metrics import accept_length, decode_speed


@dataclass(frozen=True, slots=True)
class Measured:
    """One reply that has figures, and what sort of text it is."""

    language: str | None
    kind: str | None
    figures: ReplyMetrics


@dataclass(frozen=True, slots=True)
class Average:
    """Over ``replies`` replies, all with speculation on or all with it off."""

    replies: int
    tokens: int
    verify_steps: int
    accepted_drafts: int
    histogram: tuple[int, ...]
    decoded_tokens: float
    decode_s: float

    @property
    def accept_length(self) -> float | None:
        return accept_length(self.verify_steps, self.accepted_drafts)

    @property
    def tokens_per_second(self) -> float | None:
        return decode_speed(self.decoded_tokens, self.decode_s)


def average(measured: Iterable[ReplyMetrics]) -> Average:
    all_figures = list(measured)
    timed = [
        (figures.tokens_per_second, figures.duration_s - figures.ttft_s)
        for figures in all_figures
        if figures.tokens_per_second is not None and figures.ttft_s is not None
    ]
    return Average(
        replies=len(all_figures),
        tokens=sum(f.completion_tokens for f in all_figures),
        verify_steps=sum(f.verify_steps for f in all_figures),
        accepted_drafts=sum(f.accepted_drafts for f in all_figures),
        histogram=add(f.accept_histogram for f in all_figures),
        decoded_tokens=sum(speed * seconds for speed, seconds in timed),
        decode_s=sum(seconds for _, seconds in timed),
    )


@dataclass(frozen=True, slots=True)
class Averages:
    """With speculation on: of all replies, by language, and by kind of text."""

    all: Average
    languages: Mapping[str, Average]
    kinds: Mapping[str, Average]
    off: Average


def averages(replies: Iterable[Measured]) -> Averages:
    """Replies with simulated acceptance do not count."""
    known = [one for one in replies if one.figures.simulated_accept_length is None]
    on = [reply for reply in known if reply.figures.speculation]
    return Averages(
        all=average(reply.figures for reply in on),
        languages=_by(on, "language"),
        kinds=_by(on, "kind"),
        off=average(reply.figures for reply in known if not reply.figures.speculation),
    )


def _by(replies: list[Measured], what: str) -> dict[str, Average]:
    groups: dict[str, list[ReplyMetrics]] = {}
    for reply in replies:
        if (name := getattr(reply, what)) is not None:
            groups.setdefault(name, []).append(reply.figures)
    return {name: average(figures) for name, figures in sorted(groups.items())}
