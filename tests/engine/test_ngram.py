"""NGRAM: a drafter without weights behind the same switch, with the same counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chatapp.domain import Pair, Role, Tree
from chatapp.pairs.locate import drafted_by
from tests.engine.context_end import SIDES, check_texts, filling
from tests.engine.raw import Job, Raw
from tests.engine.test_counts import recompute
from tests.engine.test_lossless import EN, LONG, MIXED, ZH, differing
from tests.engine.test_switch import accept_length, said

STORY = "Mia walked to the shop and bought three red apples and a loaf of bread. "


@pytest.fixture(scope="module")
def ngram(pocket_pair: Pair, start_engine) -> Iterator[Raw]:
    """A tree of topk 3: wider than a chain, so that siblings are walked as well."""
    tree = Tree(4, 3, 12)
    pair = replace(drafted_by(pocket_pair, "NGRAM"), tree=tree, context_length=512)
    with start_engine(pair) as engine, Raw(engine) as raw:
        assert engine.status().switch, engine.status().switch_reason
        yield raw


@pytest.fixture(scope="module")
def jobs(prompt) -> list[Job]:
    asked = [*ZH[:3], *EN[:3], *MIXED[:1], f"Please repeat: {STORY * 2}"]
    said = [Job(prompt.encode([(Role.USER, text)]), LONG) for text in asked]
    stops = [Job(job.ids, {"stop": [" the", "a ", "的"]}) for job in said[1:6:2]]
    schema = Job(
        said[0].ids, {"json_schema": '{"type": "object", "properties": {"n": {"type": "integer"}}}'}
    )
    return [*said, *stops, schema]


@pytest.fixture(scope="module")
def without_a_drafter(jobs, plain_raw) -> list[dict]:
    return plain_raw.answers(jobs, at_once=4)


@pytest.mark.parametrize("kind", ["on", "off", "mixed"])
def test_greedy_text_is_that_of_an_engine_without_a_drafter(ngram, jobs, without_a_drafter, kind):
    """Each time more of what is asked has been written before, and is drafted."""
    speculation = {"on": [True], "off": [False], "mixed": [True, False]}[kind]
    mine = [
        replace(job, speculation=speculation[at % len(speculation)]) for at, job in enumerate(jobs)
    ]
    answers = ngram.answers(mine, at_once=4)
    assert differing(jobs, without_a_drafter, answers) == []
    for job, answer in zip(mine, answers, strict=True):
        assert said(answer)["on"] is job.speculation
        assert bool(said(answer)["step_lengths"]) is job.speculation


def test_it_holds_to_the_last_token_of_the_context(ngram, plain_raw, jobs):
    """The last that the app uses: SGLang itself keeps nothing back for NGRAM."""
    words = [token for job in jobs * 4 for token in job.ids]
    check_texts(ngram, plain_raw, filling(words, 512, ngram.tree, SIDES["mixed"]))


def test_what_was_written_before_is_drafted(ngram, prompt):
    job = Job(prompt.encode([(Role.USER, "讲一个小故事")]), {"max_new_tokens": 80})
    ngram.answer(job)
    assert accept_length(ngram.answer(job)) > 3


def test_every_chunk_counts_its_steps(ngram, prompt):
    events = ngram.stream(Job(prompt.encode([(Role.USER, EN[8])]), {"max_new_tokens": 80}))
    recompute(events, stop_cut=False, longest=12)


def test_off_gains_one_token_a_step_and_reports_nothing_proposed(ngram, prompt):
    ids = prompt.encode([(Role.USER, ZH[6])])
    last = ngram.stream(Job(ids, LONG, speculation=False))[-1]["meta_info"]
    assert said({"meta_info": last}) == {
        "on": False, "verify_steps": 0, "accepted_drafts": 0, "histogram": [], "step_lengths": [],
    }  # fmt: skip
    assert not [name for name in last if name.startswith("spec_")]


def test_a_seed_gives_the_same_text_on_and_off(ngram, prompt):
    ids = prompt.encode([(Role.USER, EN[8])])
    parameters = LONG | {"temperature": 0.9, "top_p": 0.9, "sampling_seed": 11}
    texts = [ngram.answer(Job(ids, parameters, on))["text"] for on in (True, False, True)]
    assert len(set(texts)) == 1
