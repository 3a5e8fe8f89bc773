"""The step view, the verdict, the averages and the Compare pane: what is drawn of what."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.application.experiments.compare_run import CompareState
from chatapp.application.experiments.runner import State
from chatapp.domain import AutoChoice, Message, MessageState, Role, Sampling
from chatapp.measure.bench.tuning import Answered, Attempt, Landscape
from chatapp.measure.compare.arms import Comparison, Run, Setting
from chatapp.measure.compare.comparison import ArmText, WarmingUp
from chatapp.measure.compare.verdict import Observation, verdict
from chatapp.measure.reply.averages import averages
from chatapp.measure.reply.metrics import accept_history, metrics_of
from chatapp.measure.reply.trace import Arrival, Trace
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.panes import benchmark, compare, evidence, figures, stepview, transcript
from tests.shown import Shown
from tests.unit.test_trace_and_steps import TOKENIZER

EN, ZH = Texts("en"), Texts("zh")
SETTING = Setting("m", "cpu", "pocket", "3/1/4", "float32")
EVIL = '<script>alert("x")</script>${1}{{2}}'


def trace_of_text(text: str, on: bool = True, speed: float = 0.1) -> Trace:
    ids = tuple(TOKENIZER.encode(text).ids)
    size = 3 if on else 1
    left, lengths = len(ids) - 1, []
    while left:
        lengths.append(min(size, left))
        left -= lengths[-1]
    counts = [1]
    for length in lengths:
        counts.append(counts[-1] + length)
    arrivals = [Arrival(0.2 + speed * n, c, n if on else 0) for n, c in enumerate(counts)]
    return Trace(on, 5, 0, ids, tuple(lengths) if on else (), arrivals)


def comparison(on_text: str, off_text: str, cut: bool = False) -> Comparison:
    runs = []
    for number in (1, 2):
        runs += [
            Run(True, number, 1, on_text, trace_of_text(on_text), "stop"),
            Run(False, number, 2, off_text, trace_of_text(off_text, False), "stop"),
        ]
    if cut:
        runs = runs[:2] + [replace(runs[2], cut=True, finish_reason=None)]
    said = ((Role.USER, "讲个故事"),)
    return Comparison(0.0, said, "zh", "prose", Sampling(), 2, SETTING, tuple(runs), cut, 7)


def pane(texts: Texts, shown: Comparison | None, state: State[CompareState] | None = None) -> str:
    form = compare.CompareForm(prompt=EVIL)
    device = shown.setting.device if shown else "cpu"
    return compare.pane(texts, form, state, shown, [], lambda: TOKENIZER, "verdict", device)


@pytest.mark.parametrize("text", ["从前有一只小鹰，它很怕高。", "Once upon a time", EVIL])
def test_the_step_view_is_the_text_in_groups(text: str) -> None:
    html = stepview.step_view(EN, trace_of_text(text), text, TOKENIZER)
    assert Shown(html).one("group", EN("evidence.steps.label")).text == text
    assert "<script" not in html and "\ufffd" not in html
    assert html.count('tabindex="0"') == 1, "the keyboard finds its way in"


@pytest.mark.parametrize("texts", [EN, ZH])
def test_what_cannot_be_shown_by_steps_says_why(texts: Texts) -> None:
    none = stepview.step_view(texts, None, "text", TOKENIZER)
    other = stepview.step_view(texts, trace_of_text("other tokens"), "text", TOKENIZER)
    assert texts("evidence.steps.no_record") in unescape(none)
    assert texts("evidence.steps.other_pair") in unescape(other)


def test_merged_steps_are_labelled() -> None:
    trace = trace_of_text("abcdefg")
    merged = replace(trace, arrivals=(trace.arrivals[0], trace.arrivals[-1]))
    html = stepview.step_view(EN, merged, "abcdefg", TOKENIZER)
    assert html.count("(2 steps arrived in this time together)") == 2


@pytest.mark.parametrize("texts", [EN, ZH])
@pytest.mark.parametrize(
    ("ratios", "words"),
    [
        ((1.9, 1.9, 1.9, 1.9), ("1.90", "1.90 – 1.90")),
        ((0.92, 0.92, 0.92, 0.92), ("8%", "0.92 – 0.92")),
        ((0.9, 1.1, 1.0, 1.0), ("1.00",)),
        ((1.9,), ()),
        ((), ()),
    ],
)
def test_verdicts_have_their_numbers_behind(
    texts: Texts, ratios: tuple[float, ...], words: tuple[str, ...]
) -> None:
    found = verdict([Observation("zh", "prose", ratios)] if ratios else [], "zh", "prose")
    says = Shown(evidence.panel(texts, found, averages([]), averages([]), None)).says
    assert all(word in says for word in words)
    assert evidence.verdict_words(texts, found) in says


def test_simulated_acceptance_shows_wherever_its_figures_do() -> None:
    setting = replace(SETTING, simulated_accept_length=3.3)
    shown = replace(comparison("one text", "one text"), setting=setting)
    found = verdict([], "zh", "prose")
    for texts in (EN, ZH):
        mark = texts("page.head.simulated", length="3.30")
        assert mark in pane(texts, shown)
        assert mark in evidence.panel(texts, found, averages([]), averages([]), 3.3)
        assert mark not in pane(texts, comparison("one text", "one text"))


@pytest.mark.parametrize("texts", [EN, ZH])
def test_a_comparison_shows_what_was_measured(texts: Texts) -> None:
    html = pane(texts, comparison("abcdefghij", "abcdefghij"))
    # 9 tokens in 3 steps of 0.1 s, or in 9: three times as fast.
    says = Shown(html).says
    assert "3.00×" in says and "30.0 ± 0.0" in says and "10.0 ± 0.0" in says
    cells = [cell.says for cell in Shown(html).all("cell")]
    assert texts("compare.same") in says and "3.00" in cells
    assert "eaglechat/comparison/7.json" in html and "<script" not in html


@pytest.mark.parametrize("texts", [EN, ZH])
def test_texts_that_differ_say_where(texts: Texts) -> None:
    html = pane(texts, comparison("从前有一只鹰", "从前有一只猫"))
    assert texts("compare.different") in html
    assert texts("compare.differs.unexplained", character=6, token=16, round=1) in html or (
        texts("compare.differs.unexplained", character=6, token=17, round=1) in html
    )


def test_a_stopped_comparison_shows_what_it_has() -> None:
    says = Shown(pane(EN, comparison("abcdefghij", "abcdefghij", cut=True))).says
    assert "one round, no spread yet" in says and "3.00×" in says
    nothing = pane(EN, replace(comparison("a b", "a b"), runs=()))
    assert "no round is complete yet" in nothing


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("stage", ["waiting", "finished", "cancelled"])
def test_every_stage_has_words(language: str, stage: str) -> None:
    texts = Texts(language)
    assert texts(f"compare.stage.{stage}") in pane(texts, None, State(stage, CompareState()))


@pytest.mark.parametrize("texts", [EN, ZH])
def test_a_running_comparison_says_which_arm_it_is_at(texts: Texts) -> None:
    side = texts("compare.off")
    warming = State("running", CompareState(now=WarmingUp(False)))
    assert texts("compare.stage.warming", side=side) in pane(texts, None, warming)
    text = ArmText(False, 2, "so far", metrics_of(trace_of_text("so far", on=False)))
    running = pane(texts, None, State("running", CompareState(arms=(None, text), now=text)))
    assert texts("compare.stage.running", round=2, side=side) in running and "so far" in running


def landscape() -> Landscape:
    from chatapp.domain import Tree

    def attempt(tree: Tree, speed: float, **more: object) -> Attempt:
        on = metrics_of(trace_of_text("a" * 31, True, 0.1 / speed))
        off = metrics_of(trace_of_text("a" * 31, False))
        return Attempt(tree, tuple(Answered(n, on, off) for n in range(4)), **more)

    attempts = (attempt(Tree(5, 4, 16), 0.5), attempt(Tree(3, 1, 4), 0.8),
                attempt(Tree(7, 1, 8), 0.3, gave_up=True))  # fmt: skip
    return Landscape(SETTING, 4, attempts, complete=True)


@pytest.mark.parametrize("texts", [EN, ZH])
def test_the_landscape_is_drawn_and_the_best_marked(texts: Texts) -> None:
    bars = benchmark.bars(texts, landscape())
    assert [bar.best for bar in bars] == [False, True, False]
    assert bars[0].current and bars[1].share == 100 and bars[1].value == "2.40×"
    assert texts("tune.gave_up", prompts=4, share="37", best="3/1/4") in bars[2].note
    assert [bar.left for bar in bars] == [False, False, True]


@given(st.lists(st.integers(1, 6), max_size=400))
def test_the_history_of_a_reply_ends_where_the_reply_is(lengths: list[int]) -> None:
    history = accept_history(lengths, figures.POINTS)
    assert len(history) <= figures.POINTS
    if lengths:
        assert history[-1] == sum(lengths[-10:]) / len(lengths[-10:])


def test_a_reply_says_what_auto_chose_and_why() -> None:
    trace = trace_of_text("hello there", on=False)
    message = Message(
        3, 1, Role.ASSISTANT, "hello there", MessageState.FINISHED, 0.0,
        figures=metrics_of(trace), choice=AutoChoice(False, "slower", 0.92),
    )  # fmt: skip
    assert "auto chose off: 8% slower here" in transcript.reply(EN, message)
    assert "自动选关：这里慢 8%" in transcript.reply(ZH, message)
    assert "auto chose" not in transcript.reply(EN, replace(message, choice=None))


@pytest.mark.parametrize("texts", [EN, ZH])
def test_on_a_gpu_it_says_that_a_seed_repeats_nothing(texts: Texts) -> None:
    """Before a comparison, and beside one that was made with a temperature."""
    sampled = replace(comparison("abc", "abd"), sampling=Sampling(temperature=0.7, seed=1))
    on_gpu = replace(sampled, setting=replace(SETTING, device="cuda", dtype="float16"))
    here, there = pane(texts, sampled), pane(texts, on_gpu)
    assert texts("compare.no_seed") in there and texts("compare.no_seed") not in here
    assert texts("compare.sampled_alike", temperature=0.7) in here
    assert texts("compare.sampled", temperature=0.7) in there
