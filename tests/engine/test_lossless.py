"""Speculation does not change a greedy text: not on, not off, not without any draft."""

from __future__ import annotations

import json

import pytest

from chatapp.domain import Role
from tests.engine.context_end import SIDES, check_full, filling
from tests.engine.raw import Job

ZH = [
    "你好", "你是谁？", "猫是什么动物？", "三加五等于几？", "法国的首都是哪里？", "写一段短代码",
    "什么是推测解码？", "接受长度是什么意思？", "讲一个小故事", "“苹果”用英文怎么说？",
    "列出三种水果", "今天股票会涨吗？",
]  # fmt: skip
EN = [
    "Hello", "Who are you?", "What sound does a cat make?", "What is three plus five?",
    "What is the capital of Japan?", "Write a short piece of code", "What is a KV cache?",
    "Explain accept length", "Tell me a little story", "How do you say water in Chinese?",
    "List three colours", "Who won the match yesterday?",
]  # fmt: skip
MIXED = [
    "请用 English 回答：你好", "What does 你好 mean?", "draft 和 target 是什么？", "1+1=? 谢谢",
    "Translate: 早上好", "KV cache 是什么", "🙂 hello 你好", "Python 代码 please",
]  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}},
    "required": ["n", "ok"],
}
LONG = {"ignore_eos": True}


@pytest.fixture(scope="module")
def jobs(prompt) -> list[Job]:
    """Prompts of 1 to 600 tokens in two languages, with everything that can go wrong."""
    asked = [Job(prompt.encode([(Role.USER, text)]), LONG) for text in ZH + EN + MIXED]
    words = [i for text in EN + ZH for i in prompt.encode([(Role.USER, text)])] * 4
    lengths = [Job(words[7 : 7 + n], LONG) for n in (1, 2, 3, 17, 64, 255, 256, 257, 600)]
    shared = words[:300]
    same_prefix = [Job(shared + words[n : n + n // 2], LONG) for n in (4, 40, 90)]
    stops = [Job(job.ids, {"stop": stop}) for job, stop in zip(asked, "的，s a", strict=False)]
    schema = [Job(job.ids, {"json_schema": json.dumps(SCHEMA)}) for job in (asked[3], asked[15])]
    return asked + lengths + same_prefix + stops + schema


@pytest.fixture(scope="module")
def without_a_draft(jobs, plain_raw) -> list[dict]:
    return plain_raw.answers(jobs, at_once=4)


def differing(jobs, wanted, answers) -> list[tuple]:
    return [
        (job.parameters, len(job.ids), a["text"], b["text"])
        for job, a, b in zip(jobs, wanted, answers, strict=True)
        if a["output_ids"] != b["output_ids"]
    ]


def test_there_are_enough_prompts(jobs):
    assert len(jobs) >= 40
    assert min(len(job.ids) for job in jobs) == 1 and max(len(job.ids) for job in jobs) == 600


@pytest.mark.parametrize("speculation", [False, True], ids=["off", "on"])
@pytest.mark.parametrize("at_once", [1, 4])
def test_greedy_text_is_that_of_an_engine_without_a_draft(
    jobs, without_a_draft, raw, speculation, at_once
):
    mine = [Job(job.ids, job.parameters, speculation) for job in jobs]
    answers = raw.answers(mine, at_once)
    assert differing(jobs, without_a_draft, answers) == []


def test_it_holds_for_a_chain_and_for_a_mixed_batch(jobs, without_a_draft, chain_raw):
    mine = [Job(job.ids, job.parameters, i % 2 == 0) for i, job in enumerate(jobs)]
    answers = chain_raw.answers(mine, at_once=4)
    assert differing(jobs, without_a_draft, answers) == []
    for job, answer in zip(mine, answers, strict=True):
        said = answer["meta_info"]["speculation"]
        assert said["on"] is job.speculation
        assert max(said["step_lengths"], default=0) <= (8 if job.speculation else 0)


@pytest.mark.parametrize("sides", SIDES)
def test_it_holds_to_the_last_token_of_the_context(jobs, chain_raw, plain_raw, sides):
    """SGLang allocates more slots for a step than a row has left there."""
    words = [token for job in jobs for token in job.ids]
    check_full(chain_raw, plain_raw, filling(words, 704, chain_raw.tree, SIDES[sides]))


def test_it_holds_to_the_last_token_for_a_tree(jobs, raw, plain_raw, pocket_pair):
    words = [token for job in jobs for token in job.ids]
    full = filling(words, pocket_pair.context_length, raw.tree, SIDES["mixed"])
    check_full(raw, plain_raw, full)
