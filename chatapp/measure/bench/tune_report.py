"""A race of trees as a JSON document, and as bars for a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chatapp.measure.bench.tuning import Attempt, Landscape
from chatapp.measure.bench.tuning import ratio as ratio_of
from chatapp.measure.stats import Estimate
from chatapp.texts import Texts
from chatapp.units import number, ratio

_BAR = 28


def document(landscape: Landscape, created: str) -> dict[str, Any]:
    best, current, gain = landscape.best, landscape.current, landscape.gain
    return {
        "kind": "tune",
        "created": created,
        **asdict(landscape.setting),
        "prompts": landscape.prompts,
        "complete": landscape.complete,
        "current": str(current.tree) if current else None,
        "best": str(best.tree) if best else None,
        "gain": asdict(gain) if gain else None,
        "worth_changing": landscape.worth_changing,
        "trees": [_attempt(attempt) for attempt in landscape.attempts],
    }


def bars(landscape: Landscape, texts: Texts) -> str:
    """The landscape as a picture of letters."""
    top = max([_value(attempt) for attempt in landscape.attempts] or [1.0])
    lines = []
    for attempt in landscape.attempts:
        length = round(_BAR * _value(attempt) / top) if top else 0
        lines.append(
            f"{attempt.tree!s:<7} {_ink(attempt) * length:<{_BAR}} {_ratio(attempt.speedup):<22}"
            f" {number(attempt.tokens_per_second, 1):>6} tok/s"
            f"  {number(attempt.accept_length, 2)}{_note(landscape, attempt, texts)}"
        )
    return "\n".join(lines)


def conclusion(landscape: Landscape, texts: Texts) -> str:
    """What to do about it, in one sentence."""
    best, current, gain = landscape.best, landscape.current, landscape.gain
    if not landscape.complete or best is None or current is None or gain is None:
        return texts("tune.unfinished")
    values = {"tree": best.tree, "current": current.tree, "gain": ratio(gain.value, None)}
    if landscape.worth_changing:
        return texts("tune.better", **values, low=number(gain.low, 2), high=number(gain.high, 2))
    return texts("tune.stays" if best is current else "tune.not_sure", **values)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    speedup = attempt.speedup
    return {
        "tree": str(attempt.tree),
        "speedup": asdict(speedup) if speedup else None,
        "tokens_per_second": attempt.tokens_per_second,
        "off_tokens_per_second": attempt.off_tokens_per_second,
        "accept_length": attempt.accept_length,
        "gave_up": attempt.gave_up,
        "failure": attempt.failure,
        "answers": [asdict(answer) for answer in attempt.answers],
    }


def left_words(landscape: Landscape, attempt: Attempt, texts: Texts) -> str:
    """When a tree left the race, and how it stood there: on fewer prompts than the others
    its own speed-up says nothing beside theirs."""
    against = ratio_of(attempt, landscape.best) if landscape.best else None
    return texts(
        "tune.gave_up",
        prompts=len(attempt.answers),
        share=number(100 * against.value if against else None, 0),
        best=landscape.best.tree if landscape.best else "",
    )


def _note(landscape: Landscape, attempt: Attempt, texts: Texts) -> str:
    if attempt.failure:
        return "  " + texts(f"errors.{attempt.failure}.what")
    return "  " + left_words(landscape, attempt, texts) if attempt.gave_up else ""


def _ink(attempt: Attempt) -> str:
    return "░" if attempt.gave_up else "█"


def _value(attempt: Attempt) -> float:
    return attempt.speedup.value if attempt.speedup else 0.0


def _ratio(speedup: Estimate | None) -> str:
    if speedup is None:
        return ratio(None, None)
    known = None if speedup.low is None else (speedup.low, speedup.high or speedup.low)
    return ratio(speedup.value, known)
