"""The panes as pure functions: every value escaped, every figure as it was measured."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from chatapp.application.live_reply import ReplyState
from chatapp.application.monitor import Moment
from chatapp.domain import (
    Conversation,
    EngineState,
    EngineStatus,
    GpuSample,
    MemorySample,
    Message,
    MessageState,
    Phase,
    PhaseProgress,
    ProcessMemory,
    ReplyMetrics,
    Role,
    Tree,
)
from chatapp.measure.reply.metrics import Window
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui import number_format
from chatapp.ui.panes import composer, empty, engine_box, figures, head, memory, rail, transcript
from chatapp.units import GIB, MIB
from tests.shown import Shown

EVIL = """<script>alert(1)</script>"'`${alert(1)}{{7*7}}&"""
TEXTS = [Texts(language) for language in LANGUAGES]
EN = Texts("en")


def message(text: str = "hi", role: Role = Role.ASSISTANT, **fields: object) -> Message:
    state = fields.pop("state", MessageState.FINISHED)
    return Message(fields.pop("id", 1), 1, role, text, state, 0.0, **fields)  # type: ignore


def measured(on: bool = True, **fields: object) -> ReplyMetrics:
    values = {
        "speculation": on,
        "prompt_tokens": 20,
        "completion_tokens": 118,
        "cached_tokens": 4,
        "verify_steps": 35 if on else 0,
        "accepted_drafts": 83 if on else 0,
        "accept_histogram": (3, 5, 9, 11, 6, 1) if on else (),
        "accept_length": 118 / 35 if on else None,
        "tokens_per_second": 208.4,
        "ttft_s": 0.09,
        "duration_s": 0.66,
        "step_lengths": (3, 4) if on else (),
    }
    return ReplyMetrics(**(values | fields))  # type: ignore[arg-type]


def status(state: EngineState = EngineState.READY, **fields: object) -> EngineStatus:
    return EngineStatus(state, "pocket", tree=Tree(5, 4, 16), dtype="float32", **fields)  # type: ignore


def conversation(number: int, updated: float, on: bool = True, title: str = "t") -> Conversation:
    return Conversation(number, title, on, updated, updated)


@pytest.mark.parametrize("texts", TEXTS)
def test_nothing_that_was_written_becomes_markup(texts: Texts) -> None:
    update = ReplyState(message(EVIL, state=MessageState.STREAMING))
    said = [
        message(EVIL, Role.USER),
        message(EVIL, id=2, figures=measured()),
        message(
            "",
            id=3,
            state=MessageState.FAILED,
            error="setting",
            error_values={"name": EVIL, "value": EVIL, "source": EVIL, "reason": EVIL},
        ),
    ]
    down = status(
        EngineState.FAILED,
        failure="setting",
        failure_values=dict.fromkeys(("name", "value", "source", "reason"), EVIL),
        log_tail=(EVIL,),
        address=EVIL,
    )
    card = GpuSample(EVIL, 1, 2, 1, 1, 1, 1.0)
    sample = MemorySample(0.0, 8 * GIB, GIB, GIB, (ProcessMemory(EVIL, 1, GIB),), card)
    panes = [
        rail.rail(texts, [conversation(1, 0.0, title=EVIL)], 1, (), date.today()),
        rail.foot(texts, down),
        head.head(texts, EVIL, down),
        transcript.transcript(texts, said, 1, 60),
        transcript.live(texts, update, True),
        composer.controls(texts, status(), True, True, True),
        engine_box.engine(texts, down),
        engine_box.card(texts, down),
        memory.memory(texts, Moment(sample)),
    ]
    for pane in panes:
        assert "<script" not in pane.lower()
        assert "alert(1)" not in pane or "&lt;script&gt;" in pane
        assert "\"'`$" not in pane


def test_the_list_is_grouped_by_day_with_filled_dots_and_rings() -> None:
    today = date(2026, 11, 24)
    noon = datetime(2026, 11, 24, 12).timestamp()
    day = timedelta(days=1).total_seconds()
    listed = [
        conversation(3, noon),
        conversation(2, noon - day, on=False),
        conversation(1, noon - 9 * day),
    ]
    html = rail.rail(EN, listed, 2, {3}, today)
    shown = Shown(html)
    assert [day.says for day in shown.all("heading")] == ["Today", "Yesterday", "Earlier"]
    assert [dot.name for dot in shown.all("img")] == [
        "speculation on, replying",
        "speculation off",
        "speculation on",
    ]
    assert [one.role for one in shown.parts if "current" in one.states] == ["button"]


def test_the_evidence_of_a_reply_with_speculation() -> None:
    says = Shown(transcript.reply(EN, message(figures=measured()))).says
    assert "speculation on" in says and "208 tok/s" in says and "0.09 s" in says
    assert "3.37 tokens a step" in says and "118 tokens / 35 steps" in says


def test_without_speculation_there_is_no_accept_length_and_no_step() -> None:
    says = Shown(transcript.reply(EN, message(figures=measured(on=False)))).says
    assert "speculation off" in says and "208 tok/s" in says
    assert "a step" not in says and "steps" not in says and "1.00" not in says


def test_the_panel_without_speculation_draws_no_steps() -> None:
    html = figures.panel(EN, message(figures=measured(on=False)), True, [], Tree(5, 4, 16))
    shown = Shown(html)
    assert not shown.all("img") and not shown.all("list")
    assert "there is no accept length" in shown.says


def test_the_panel_counts_as_the_engine_counted() -> None:
    so_far = measured(
        completion_tokens=66,
        verify_steps=19,
        verify_step_s=0.0163,
        accept_histogram=(1, 2, 3, 6, 5, 2),
        step_lengths=(3,) * 50,
    )
    reply = message(figures=so_far, state=MessageState.STREAMING)
    html = figures.panel(EN, reply, True, [], Tree(5, 4, 16), Window(211.2, 3.4))
    shown = Shown(html)
    rows = shown.rows()
    assert (rows["tok/s, last second"], rows["accept length, last 10 steps"]) == ("211", "3.40")
    assert "66 / 19" in rows.values() and rows["Time per verify step"] == "16 ms"
    assert html.count('<i style="--n:') == figures.STEPS, "as many bars as there is room for"
    assert len(shown.all("listitem")) == 6 and shown.one("listitem", "6 steps gained 4")


def test_a_reply_that_has_ended_shows_its_whole_not_its_last_moment() -> None:
    ended, now = message(figures=measured()), Window(99.0, 1.0)
    for html in (figures.panel(EN, ended, True, [], None, now), figures.strip(EN, ended, now)):
        assert ">208<" in html and ">3.37<" in html and ">99<" not in html


def test_averages_over_a_conversation_are_weighted_by_steps_and_seconds() -> None:
    said = [
        message(figures=measured(verify_steps=10, accepted_drafts=30), language="zh"),
        message(figures=measured(verify_steps=30, accepted_drafts=30), language="en"),
        message(figures=measured(on=False, tokens_per_second=100.0)),
    ]
    html = figures.panel(EN, figures.last_measured(said), True, said, None)
    assert "2.50" in html  # (60 + 40) / 40
    assert "4.00 / 2.00" in html
    assert "208 / 100" in html


def test_a_conversation_without_replies_shows_dashes_and_no_zero() -> None:
    html = figures.panel(EN, figures.last_measured([]), True, [], Tree(3, 1, 4))
    assert html.count(number_format.NONE) == 2 and ">0" not in html


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (MessageState.WAITING, "sent as soon as the engine is ready"),
        (MessageState.STOPPED, "What was written stays"),
    ],
)
def test_a_reply_says_what_became_of_it(state: MessageState, words: str) -> None:
    assert words in transcript.reply(EN, message("so far", state=state))


def test_only_the_last_reply_can_be_answered_again_and_none_while_one_runs() -> None:
    said = [message(id=1), message(id=2)]
    assert Shown(transcript.transcript(EN, said, 1, 60)).one("button", "Answer again")
    writing = Shown(transcript.transcript(EN, said, 1, 60, running=True))
    assert not writing.all("button", "Answer again")


def test_a_long_history_shows_its_end_and_offers_the_rest() -> None:
    said = [message(f"m{n}", id=n) for n in range(100)]
    html = transcript.transcript(EN, said, 1, 60)
    assert "Show 40 earlier" in html and "m39<" not in html and "m40<" in html


def test_messages_that_were_left_out_are_counted() -> None:
    update = ReplyState(message(), dropped_messages=4)
    assert "the oldest 4 messages were not given" in transcript.live(EN, update, True)


def test_the_toggle_is_a_switch_that_says_its_state() -> None:
    on, off = (
        Shown(composer.controls(EN, status(), speculation, False, False)).one("switch")
        for speculation in (True, False)
    )
    assert (on.states, on.says) == ({"checked"}, "speculation on")
    assert (off.states, off.says) == (set(), "speculation off")


def test_a_toggle_flipped_during_a_reply_counts_from_the_next_message() -> None:
    assert "counts from the next message" in composer.controls(EN, status(), False, True, True)
    assert "counts from the next message" not in composer.controls(EN, status(), False, False, True)


def test_a_switch_that_is_not_there_is_disabled_with_the_reason() -> None:
    missing = status(switch=False, switch_reason="app.name")
    shown = Shown(composer.controls(EN, missing, True, False, False))
    assert "disabled" in shown.one("switch").states
    assert "per conversation: EagleChat" in shown.says


def test_messages_wait_visibly_while_the_engine_starts() -> None:
    html = composer.controls(EN, status(EngineState.STARTING), True, False, False)
    assert "messages wait for it" in html


def test_the_timeline_says_what_is_done_and_what_is_next() -> None:
    timeline = (Phase("process", 0.4), Phase("weights", 3.1), Phase("draft"), Phase("ready"))
    html = engine_box.timeline(EN, status(EngineState.STARTING, timeline=timeline))
    process, weights, draft, ready = Shown(html).all("listitem")
    assert "0.40 s" in process.says and "3.10 s" in weights.says
    assert "current" in draft.states and " s" not in draft.says + ready.says


def test_the_timeline_says_how_far_the_weights_are() -> None:
    progress = PhaseProgress(2_100_000_000, 8_000_000_000, "bytes", 19.0)
    timeline = (Phase("process", 0.4), Phase("weights", None, progress), Phase("ready"))
    html = engine_box.timeline(EN, status(EngineState.STARTING, timeline=timeline))
    assert "2.1 of 8.0 GB, about 20 s left" in html
    assert "about" not in engine_box.timeline(EN, status(EngineState.FAILED, timeline=timeline))


def test_the_card_has_a_sentence_a_button_and_the_log() -> None:
    down = status(EngineState.FAILED, failure="reply_failed", log_tail=("a", "last words"))
    shown = Shown(engine_box.card(EN, down))
    assert EN("errors.reply_failed.what") in shown.says and "last words" in shown.says
    assert shown.one("button", "Start the engine")
    assert engine_box.card(EN, status()) == ""


def test_the_log_is_shown_without_the_engine_key() -> None:
    shown = engine_box.log(status(log_tail=("args={'api_key': 'SECRET', 'x': 1}", "y" * 9000)))
    assert "SECRET" not in shown and "'x': 1" in shown and len(shown) < 1000


def test_memory_without_a_gpu_shows_processes_and_why() -> None:
    processes = (ProcessMemory("main", 1, GIB), ProcessMemory("scheduler", 2, 2 * GIB))
    sample = MemorySample(0.0, 16 * GIB, 8 * GIB, GIB, processes, None, "memory.no_driver")
    html = memory.memory(EN, Moment(sample))
    assert "Engine, scheduler" in html and "2.0 GB" in html
    assert "Other programs" in html and "4.0 GB" in html
    assert EN("memory.no_driver") in html and "Video memory" not in html


def test_the_empty_page_has_four_prompts_in_each_language() -> None:
    for texts in TEXTS:
        assert len(Shown(empty.empty(texts)).all("button")) == 2 * empty.COUNT


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (number_format.speed(9.94), "9.9"),
        (number_format.speed(9.96), "10"),
        (number_format.speed(211.4), "211"),
        (number_format.speed(None), "—"),
        (number_format.length(3.384), "3.38"),
        (number_format.length(None), "—"),
        (number_format.seconds(0.094), "0.09"),
        (number_format.seconds(12.34), "12.3"),
        (number_format.memory_gb(24564 * MIB), "24.0"),
        (number_format.memory_gb(None), "—"),
        (number_format.count(12345), "12,345"),
    ],
)
def test_numbers(written: str, expected: str) -> None:
    assert written == expected


def test_no_text_of_the_page_is_missing_in_a_template() -> None:
    """Every pane renders in both languages: a missing key or value would raise."""
    for texts in TEXTS:
        for state in EngineState:
            engine_box.engine(texts, status(state))
            rail.foot(texts, status(state))
        for state in MessageState:
            transcript.reply(texts, message(state=state))
            figures.panel(texts, message(state=state), True, [], None)
        composer.box(texts), composer.dialogs(texts), rail.choices(texts)
