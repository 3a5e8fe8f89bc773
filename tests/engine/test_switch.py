"""The switch: off does nothing of the draft's work, and costs a conversation nothing."""

from __future__ import annotations

import threading

import pytest

from chatapp.domain import Role
from tests.engine.raw import Job

TURNS = ["什么是推测解码？", "What is a draft?", "讲一个小故事"]


def said(answer: dict) -> dict:
    return answer["meta_info"]["speculation"]


def accept_length(answer: dict) -> float:
    lengths = said(answer)["step_lengths"]
    return sum(lengths) / len(lengths)


@pytest.mark.parametrize("rebuilt", [False, True])
def test_off_gains_one_token_a_step_and_reports_nothing_proposed(raw, prompt, rebuilt):
    ids = prompt.encode([(Role.USER, TURNS[0])])
    events = raw.stream(Job(ids, {"ignore_eos": True}, False, rebuilt))
    tokens = [event["meta_info"]["completion_tokens"] for event in events]
    assert tokens == sorted(set(tokens)) and tokens[-1] == 60
    last = events[-1]["meta_info"]
    assert last["speculation"] == {
        "on": False,
        "verify_steps": 0,
        "accepted_drafts": 0,
        "histogram": [],
        "step_lengths": [],
    }
    assert not [name for name in last if name.startswith("spec_")]


def talk(raw, prompt, speculation: list[bool]) -> list[dict]:
    """The same conversation, each turn with speculation as given."""
    messages, answers = [], []
    for text, on in zip(TURNS, speculation, strict=True):
        messages.append((Role.USER, text))
        parameters = {"max_new_tokens": 120}
        answers.append(raw.answer(Job(prompt.encode(messages), parameters, on)))
        messages.append((Role.ASSISTANT, answers[-1]["text"]))
    return answers


def test_on_again_drafts_as_well_as_never_off(raw, prompt):
    always = talk(raw, prompt, [True, True, True])
    again = talk(raw, prompt, [True, False, True])
    assert [a["text"] for a in again] == [a["text"] for a in always]
    assert accept_length(always[2]) > 1.5
    assert accept_length(again[2]) == pytest.approx(accept_length(always[2]), rel=0.1)


def test_a_prefix_is_shared_within_a_state_and_not_between(raw, prompt):
    ids = prompt.encode([(Role.USER, "请再讲一遍：" + "一二三四五六七八九十" * 12)])
    cached = [
        raw.answer(Job(ids, {"max_new_tokens": 2}, on))["meta_info"]["cached_tokens"]
        for on in (False, True, False, True)
    ]
    assert max(cached[:2]) < 10, "more than the template's first words"
    assert min(cached[2:]) > len(ids) // 2


@pytest.mark.parametrize("first", [True, False], ids=["on first", "off first"])
def test_requests_of_both_kinds_meet_in_one_batch(raw, prompt, first):
    """The second joins while the first runs, and outlives it."""
    jobs = {
        speculation: Job(
            prompt.encode([(Role.USER, text)]),
            {"ignore_eos": True, "max_new_tokens": 120 if speculation is first else 200},
            speculation,
        )
        for speculation, text in ((True, TURNS[0]), (False, TURNS[1]))
    }
    alone = {on: raw.answer(job) for on, job in jobs.items()}
    together: dict[bool, dict] = {}

    def run(on: bool) -> None:
        together[on] = raw.stream(jobs[on])[-1]

    threads = [threading.Thread(target=run, args=(on,)) for on in (first, not first)]
    for thread in threads:
        thread.start()
        thread.join(0.2)
    for thread in threads:
        thread.join()
    for on, answer in together.items():
        assert answer["output_ids"] == alone[on]["output_ids"]
        assert said(answer)["on"] is on
    assert said(together[True])["step_lengths"] == said(alone[True])["step_lengths"]
    assert said(together[False])["verify_steps"] == 0
