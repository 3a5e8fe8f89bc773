"""The outcome of a check as a table for a terminal."""

from __future__ import annotations

from chatapp.training.bars.bars import Bar, Outcome

WRONG_SHOWN = 12


def bar_line(bar: Bar) -> str:
    sign = "≥" if bar.at_least else "≤"
    verdict = "pass" if bar.passed else "FAIL"
    return f"{bar.name:32} {bar.language:6} {bar.value:7.3f}   {sign} {bar.needed:<6} {verdict}"


def table(outcome: Outcome) -> str:
    lines = [bar_line(bar) for bar in outcome.bars]
    topics = [f"{name} {result}" for name, result in outcome.by_topic.items() if missed(result)]
    if topics:
        lines += ["", "not all right: " + ", ".join(topics)]
    for wrong in outcome.wrong[:WRONG_SHOWN]:
        lines.append(f"  {wrong.topic}: {one_line(wrong.question)} → {one_line(wrong.answer)}")
    lines += ["", "all bars passed" if outcome.passed else "a bar was not passed"]
    return "\n".join(lines)


def missed(result: str) -> bool:
    good, asked = result.split("/")
    return good != asked


def one_line(text: str, most: int = 90) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
