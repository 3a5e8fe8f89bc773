"""A comparison to take along: everything as JSON, the readable part as Markdown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chatapp.measure.compare.arms import ArmSummary, Comparison, Difference, Summary, summarise
from chatapp.measure.stats import Estimate
from chatapp.texts import Texts
from chatapp.units import number, ratio


def markdown(comparison: Comparison, texts: Texts) -> str:
    summary, setting = summarise(comparison), comparison.setting
    when = datetime.fromtimestamp(comparison.created).astimezone()
    lines = [
        f"# {texts('compare.title')}",
        "",
        f"- {when.isoformat(timespec='minutes')}, {setting.machine} ({setting.device})",
        f"- {setting.pair}, {setting.tree}, {setting.dtype}",
        f"- {how(texts, comparison)}",
        f"- {speedup_words(texts, summary)}",
        f"- {identity_words(texts, summary)}",
    ]
    if setting.simulated_accept_length is not None:
        lines.append(f"- {texts('mtbench.simulated', length=setting.simulated_accept_length)}")
    head = [texts(f"compare.columns.{name}") for name in COLUMNS]
    lines += ["", *_table([head, *rows(texts, summary)])]
    for role, text in comparison.messages:
        lines += ["", f"## {texts(f'compare.roles.{role}')}", "", text]
    for speculation in (True, False):
        if runs := comparison.arm(speculation):
            name = texts("compare.on" if speculation else "compare.off")
            lines += ["", f"## {name}", "", runs[-1].text]
    return "\n".join(lines) + "\n"


COLUMNS = ("arm", "speed", "ttft", "duration", "accept", "steps")


def rows(texts: Texts, summary: Summary) -> list[list[str]]:
    """The table: one row per arm that has whole runs."""
    arms = ((texts("compare.on"), summary.on), (texts("compare.off"), summary.off))
    return [_row(name, arm) for name, arm in arms if arm.runs]


def how(texts: Texts, comparison: Comparison) -> str:
    sampling, way = comparison.sampling, texts("compare.greedy")
    if sampling.temperature:
        repeated = comparison.setting.seeds_repeat and sampling.seed is not None
        key = "compare.sampled_alike" if repeated else "compare.sampled"
        way = texts(key, temperature=sampling.temperature)
    made = len(comparison.pairs())
    return texts("compare.how", way=way, tokens=sampling.max_tokens, rounds=made)


def speedup_words(texts: Texts, summary: Summary) -> str:
    speedup = summary.speedup
    if speedup is None:
        return texts("compare.no_speedup")
    interval = None if speedup.low is None else (speedup.low, speedup.high or speedup.low)
    return f"{texts('compare.speedup')}: {ratio(speedup.value, interval)}"


def identity_words(texts: Texts, summary: Summary) -> str:
    if not summary.pairs:
        return texts("compare.no_pairs")
    counted = texts("compare.identical_of", same=summary.identical, pairs=summary.pairs)
    return f"{counted} {difference_words(texts, summary.difference)}".strip()


def difference_words(texts: Texts, difference: Difference | None) -> str:
    """Where the texts part, and why that can be."""
    if difference is None:
        return ""
    return texts(
        f"compare.differs.{difference.reason}",
        character=difference.character + 1,
        token=difference.token + 1,
        round=difference.round,
    )


def spread(estimate: Estimate | None, digits: int) -> str:
    """A mean with half of its interval."""
    if estimate is None or estimate.half_width is None:
        return number(estimate.value if estimate else None, digits)
    return f"{estimate.value:.{digits}f} ± {estimate.half_width:.{digits}f}"


def _row(name: str, arm: ArmSummary) -> list[str]:
    return [
        name,
        spread(arm.tokens_per_second, 1),
        f"{spread(arm.ttft_s, 2)} s",
        f"{spread(arm.duration_s, 2)} s",
        number(arm.accept_length, 2),
        f"{arm.verify_steps:.0f}" if arm.verify_steps else number(None, 0),
    ]


def _table(lines: list[list[str]]) -> list[str]:
    head, *body = lines
    all_lines: list[Any] = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return ["| " + " | ".join(line) + " |" for line in all_lines]
