"""The verdict about speculation on this machine, and the averages behind the figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from chatapp.domain import TEXT_LANGUAGES, AutoChoice
from chatapp.measure.compare.verdict import Verdict
from chatapp.measure.reply.acceptance import positions
from chatapp.measure.reply.averages import Average, Averages
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.render import render

_LANGUAGES = (*TEXT_LANGUAGES, "mixed")
_KINDS = ("prose", "code", "list")
_POSITIONS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the averages: of this conversation and of all time."""

    label: str
    here: str
    ever: str


def panel(
    texts: Texts, found: Verdict, here: Averages, ever: Averages, simulated: float | None
) -> Markup:
    return render(
        "verdict",
        texts,
        state=found.state,
        words=verdict_words(texts, found),
        numbers=evidence_words(texts, found),
        lines=list(_lines(texts, here, ever)),
        simulated=None if simulated is None else number_format.length(simulated),
    )


def verdict_words(texts: Texts, found: Verdict) -> str:
    """In words: "1.9× faster, keep it on"; about what it is."""
    about = texts("verdict.about_all")
    if found.scope != "all":
        about = texts(
            f"verdict.{found.scope}",
            language=texts(f"verdict.languages.{found.language}"),
            kind=texts(f"verdict.kinds.{found.kind}"),
        )
    speedup = found.speedup.value if found.speedup else None
    return texts(f"verdict.{found.state}", about=about, **change(speedup))


def change(speedup: float | None) -> dict[str, str]:
    """The words "1.9" times and "8" per cent of a speed-up."""
    if speedup is None:
        return {"times": number_format.NONE, "percent": number_format.NONE}
    return {"times": f"{speedup:.2f}", "percent": f"{abs(1 - speedup) * 100:.0f}"}


def evidence_words(texts: Texts, found: Verdict) -> str:
    values = {"comparisons": found.comparisons, "rounds": found.rounds}
    speedup = found.speedup
    if speedup is None:
        return texts("verdict.nothing")
    if speedup.low is None or speedup.high is None:
        return texts("verdict.one", **values)
    low, high = (f"{value:.2f}" for value in (speedup.low, speedup.high))
    return texts("verdict.numbers", low=low, high=high, **values)


def choice_words(texts: Texts, choice: AutoChoice | None) -> str:
    """What *auto* chose for a reply, and why; nothing where a person chose."""
    if choice is None:
        return ""
    side = "on" if choice.speculation else "off"
    why = texts(f"verdict.because.{choice.state}", **change(choice.speedup))
    return texts(f"verdict.chose_{side}", why=why)


def _lines(texts: Texts, here: Averages, ever: Averages) -> Iterator[Line]:
    rows: list[tuple[str, Average | None, Average | None]] = [
        (texts("evidence.all"), here.all, ever.all)
    ]
    for what, names in (("languages", _LANGUAGES), ("kinds", _KINDS)):
        ours, theirs = getattr(here, what), getattr(ever, what)
        rows += [
            (texts(f"verdict.{what}.{name}"), ours.get(name), theirs.get(name)) for name in names
        ]
    for label, ours_, theirs_ in rows:
        if theirs_ is not None and theirs_.verify_steps:
            yield Line(label, _length(ours_), _length(theirs_))
    mine, all_time = positions(here.all.histogram), positions(ever.all.histogram)
    for at, position in enumerate(all_time[:_POSITIONS]):
        label = texts("evidence.position", number=position.number)
        own = _percent(mine[at].share) if at < len(mine) else number_format.NONE
        yield Line(label, own, _percent(position.share))


def _length(average: Average | None) -> str:
    return number_format.length(average.accept_length if average else None)


def _percent(share: float) -> str:
    return f"{share * 100:.0f}%"
