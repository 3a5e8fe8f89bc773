"""Verdicts: what must be measured before one is given, and about what."""

from __future__ import annotations

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chatapp.chat.auto import Auto
from chatapp.chat.store import Store
from chatapp.domain import AutoChoice, MessageState, Role, SpeculationMode
from chatapp.measure.compare.arms import Setting
from chatapp.measure.compare.verdict import Observation, verdict

SETTING = Setting("m", "cpu", "pocket", "3/1/4", "float32")
RATIOS = st.lists(st.floats(0.2, 5.0), max_size=5).map(tuple)
OBSERVATIONS = st.lists(
    st.builds(
        Observation, st.sampled_from(["zh", "en"]), st.sampled_from(["prose", "code"]), RATIOS
    ),
    max_size=8,
)


def test_faster_slower_even() -> None:
    fast = [Observation("zh", "prose", (1.9, 2.0, 1.95, 2.1))]
    slow = [Observation("zh", "prose", (0.92, 0.93, 0.91, 0.92))]
    unsure = [Observation("zh", "prose", (0.9, 1.1, 1.05, 0.97))]
    assert verdict(fast, "zh", "prose").state == "faster"
    assert verdict(slow, "zh", "prose").state == "slower"
    assert not verdict(slow, "zh", "prose").keep_on
    assert verdict(unsure, "zh", "prose").state == "even"
    assert verdict(unsure, "zh", "prose").keep_on


def test_too_little_is_no_verdict_but_is_shown() -> None:
    found = verdict([Observation("zh", "prose", (2.0, 2.1))], "zh", "prose")
    assert found.state == "unknown" and found.rounds == 2 and found.speedup is not None
    nothing = verdict([], "zh", "prose")
    assert nothing.state == "unknown" and nothing.speedup is None and nothing.keep_on


def test_the_closest_group_with_enough_decides() -> None:
    prose = Observation("zh", "prose", (0.8, 0.81, 0.79, 0.8))
    code = Observation("zh", "code", (2.0, 2.1, 2.05, 2.0))
    english = Observation("en", "prose", (1.5, 1.6, 1.55, 1.5))
    known = [prose, code, english]
    assert verdict(known, "zh", "prose").state == "slower"
    assert verdict(known, "zh", "code").state == "faster"
    assert verdict(known, "zh", "list").scope == "language"
    assert verdict(known, "mixed", "prose").scope == "all"


def test_many_rounds_of_one_prompt_are_one_observation_among_three() -> None:
    loud = Observation("zh", "prose", (3.0,) * 20)
    found = verdict([loud, *[Observation("zh", "prose", (1.0,))] * 2], "zh", "prose")
    assert found.speedup is not None
    assert math.isclose(found.speedup.value, 3 ** (1 / 3))


@given(OBSERVATIONS)
def test_a_verdict_never_claims_more_than_its_interval(known: list[Observation]) -> None:
    found = verdict(known, "zh", "prose")
    if found.state == "faster":
        assert found.speedup.low > 1
    elif found.state == "slower":
        assert found.speedup.high < 1
    elif found.state == "even":
        assert found.speedup.low <= 1 <= found.speedup.high
    assert found.comparisons <= len(known)


def test_auto_follows_the_verdict_of_the_conversation(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.sqlite3")
    auto = Auto(store, lambda: SETTING)
    conversation = store.create_conversation("title")
    store.set_mode(conversation.id, SpeculationMode.AUTO)
    user, reply = store.add_turn(conversation.id, "你好", "zh")
    conversation = store.conversation(conversation.id)
    assert auto.choose(conversation, user) == AutoChoice(True, "unknown", None)
    with store.write() as db:  # slower here, as twelve rounds say
        for _ in range(3):
            db.execute(
                "INSERT INTO comparison (created, machine, pair, tree, language, kind, ratios,"
                " document) VALUES (0, 'm', 'pocket', '3/1/4', 'zh', 'prose',"
                " '[0.9, 0.91, 0.9, 0.92]', '{}')"
            )
    choice = auto.choose(conversation, user)
    assert choice.state == "slower" and not choice.speculation
    store.set_choice(reply, choice)
    assert store.message(reply.id).choice == choice
    assert store.conversation(conversation.id).speculation is False
    assert store.conversation(conversation.id).mode is SpeculationMode.AUTO


def test_the_toggle_keeps_its_three_positions(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.sqlite3")
    conversation = store.create_conversation("title", speculation=False)
    assert store.conversation(conversation.id).mode is SpeculationMode.OFF
    for mode, speculation in (("on", True), ("auto", True), ("off", False), ("auto", False)):
        store.set_mode(conversation.id, SpeculationMode(mode))
        found = store.conversation(conversation.id)
        assert (found.mode, found.speculation) == (SpeculationMode(mode), speculation)


def test_a_reply_keeps_its_kind(tmp_path: Path) -> None:
    store = Store(tmp_path / "chats.sqlite3")
    conversation = store.create_conversation("title")
    reply = store.add_message(conversation.id, Role.ASSISTANT, "x", MessageState.STREAMING)
    store.update_message(reply.id, kind="code")
    assert store.message(reply.id).kind == "code"
