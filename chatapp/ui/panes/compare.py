"""The Compare pane: one prompt in two arms, what came out, and what was kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from chatapp.application.experiments.compare_run import CompareState
from chatapp.application.experiments.runner import State
from chatapp.chat.comparisons import Listed
from chatapp.chat.messages import clean
from chatapp.errors import PairError, error_words
from chatapp.measure.compare import comparison_report as report
from chatapp.measure.compare.arms import Comparison, Run, Summary, seeds_repeat, summarise
from chatapp.measure.compare.comparison import ArmText, WarmingUp
from chatapp.measure.reply.steps import Decoder, groups
from chatapp.measure.stats import geometric_mean
from chatapp.texts import Texts
from chatapp.ui import number_format
from chatapp.ui.panes import stepview
from chatapp.ui.render import render

ROUNDS = (1, 2, 4, 8)
TOKENS = (64, 256, 512, 1024)
TEMPERATURES = (0.0, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class CompareForm:
    """What the pane's form says. ``until`` is the message of the conversation up to which
    is compared; None: the prompt that stands in the form."""

    prompt: str = ""
    until: int | None = None
    rounds: int = 4
    tokens: int = 256
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class Arm:
    on: bool
    figures: str
    text: str
    groups: tuple[stepview.StepGroup, ...]
    share: float
    seconds: float
    live: bool


def pane(
    texts: Texts,
    form: CompareForm,
    state: State[CompareState] | None,
    shown: Comparison | None,
    kept: list[Listed],
    decoder: Callable[[], Decoder],
    verdict: str,
    device: str,
) -> Markup:
    """``state`` of a running comparison, else ``shown``, one that was made; ``device``: what
    the next would run on."""
    running = state is not None and not state.ended
    comparison = state.so_far.comparison if running and state else shown
    summary = summarise(comparison) if comparison else None
    return render(
        "compare",
        texts,
        form=form,
        choices={"rounds": ROUNDS, "tokens": TOKENS, "temperatures": TEMPERATURES},
        seeds=seeds_repeat(device),
        running=running,
        status=_status(texts, state) if state else "",
        failed=state is not None and state.stage == "failed",
        prompt=comparison.prompt if comparison else "",
        how=report.how(texts, comparison) if comparison else "",
        cards=_cards(texts, summary) if summary else [],
        arms=_arms(texts, state.so_far if state and running else None, comparison, decoder),
        head=[texts(f"compare.columns.{name}") for name in report.COLUMNS],
        rows=report.rows(texts, summary) if summary else [],
        difference=report.difference_words(texts, summary.difference) if summary else "",
        simulated=_simulated(comparison),
        shown=comparison.id if comparison and not running else 0,
        verdict=verdict,
        kept=[_kept(texts, one) for one in kept],
    )


def _status(texts: Texts, state: State[CompareState]) -> str:
    if state.error is not None:
        return error_words(texts, state.error.key, state.error.values)
    now = state.so_far.now
    if state.stage != "running":
        return texts(f"compare.stage.{state.stage}")
    if now is None:
        return texts("compare.stage.waiting")
    side = texts("compare.on" if now.speculation else "compare.off")
    if isinstance(now, WarmingUp):
        return texts("compare.stage.warming", side=side)
    return texts("compare.stage.running", round=now.round, side=side)


def _cards(texts: Texts, summary: Summary) -> list[dict[str, str]]:
    """The four figures that are seen first."""
    speedup, ttft = summary.speedup, summary.ttft_difference_s
    same = summary.pairs and summary.identical == summary.pairs
    spread = texts("compare.one_round")
    if speedup and speedup.low is not None and speedup.high is not None:
        spread = texts("compare.interval", low=f"{speedup.low:.2f}", high=f"{speedup.high:.2f}")
    note = texts("compare.no_speedup")
    if speedup:
        note = f"{texts('compare.faster' if speedup.value >= 1 else 'compare.slower')} · {spread}"
    return [
        {
            "value": f"{speedup.value:.2f}" if speedup else number_format.NONE,
            "unit": "×" if speedup else "",
            "look": "is-on" if speedup else "",
            "note": note,
        },
        {
            "value": texts("compare.same" if same else "compare.different")
            if summary.pairs
            else number_format.NONE,
            "unit": "",
            "look": "is-same" if same else "is-different" if summary.pairs else "",
            "note": texts("compare.identical_of", same=summary.identical, pairs=summary.pairs),
        },
        {
            "value": number_format.length(summary.on.accept_length),
            "unit": "",
            "look": "",
            "note": texts("compare.accept_note"),
        },
        {
            "value": number_format.NONE if ttft is None else f"{ttft:+.2f}".replace("-", "−"),
            "unit": "s" if ttft is not None else "",
            "look": "",
            "note": texts("compare.ttft_note"),
        },
    ]


def _arms(
    texts: Texts,
    running: CompareState | None,
    comparison: Comparison | None,
    decoder: Callable[[], Decoder],
) -> list[Arm]:
    """While it runs, what is being written; else the last round that has both."""
    if running is not None:
        on, off = running.arms
        return [_live(running.now, True, on), _live(running.now, False, off)]
    if comparison is None:
        return []
    pairs = comparison.pairs()
    found = pairs[-1] if pairs else tuple(
        next(iter(reversed([r for r in comparison.runs if r.speculation is side])), None)
        for side in (True, False)
    )  # fmt: skip
    longest = max((run.figures.duration_s for run in found if run), default=0.0) or 1.0
    return [
        _settled(texts, side, run, longest, decoder)
        for side, run in zip((True, False), found, strict=True)
    ]


def _live(now: ArmText | WarmingUp | None, side: bool, arm: ArmText | None) -> Arm:
    live = isinstance(now, ArmText) and now.speculation is side
    if arm is None:
        return Arm(side, "", "", (), 0, 0, live)
    speed = number_format.speed(arm.figures.tokens_per_second)
    told = f"{speed} tok/s · {arm.figures.completion_tokens} tokens"
    return Arm(side, told, clean(arm.text), (), 0, 0, live)


def _settled(
    texts: Texts, side: bool, run: Run | None, longest: float, decoder: Callable[[], Decoder]
) -> Arm:
    if run is None:
        return Arm(side, "", "", (), 0, 0, False)
    figures = run.figures
    told = f"{number_format.speed(figures.tokens_per_second)} tok/s · {figures.duration_s:.2f} s"
    if run.cut:
        told += " · " + texts("compare.cut")
    text = clean(run.text)
    drawn = _drawn(texts, run, text, decoder)
    share = figures.duration_s / longest
    return Arm(side, told, text, tuple(drawn), round(100 * share, 1), figures.duration_s, False)


def _drawn(
    texts: Texts, run: Run, text: str, decoder: Callable[[], Decoder]
) -> list[stepview.StepGroup]:
    """By verify steps; nothing where another pair's tokens, or none, can be read."""
    try:
        found = groups(run.trace, decoder())
    except (PairError, ValueError):  # no tokens to read, or a record that does not add up
        return []
    return stepview.drawn(texts, run.trace, found) if stepview.matches(found, text) else []


def _simulated(comparison: Comparison | None) -> str | None:
    length = comparison.setting.simulated_accept_length if comparison else None
    return None if length is None else number_format.length(length)


def _kept(texts: Texts, one: Listed) -> dict[str, str | int | bool]:
    speedup = geometric_mean(one.ratios)
    when = datetime.fromtimestamp(one.created)
    return {
        "id": one.id,
        "prompt": " ".join(one.prompt.split())[:80],
        "speedup": f"{speedup.value:.2f}×" if speedup else number_format.NONE,
        "when": f"{when:%m-%d %H:%M}",
        "simulated": one.simulated,
    }
