"""The switch under the overlapping schedule, which CUDA has and SGLang denies a CPU.

A step is launched here before the result of the one before it has been looked at, so
committed lengths lag behind and draft inputs are relayed through SGLang's ``FutureMap``.
The engine is the real one, with its scheduler's overlapping loop switched on by a plug-in
of the tests, and with SGLang's own checks after every step: no slot lost, none owned twice,
committed ≤ allocated ≤ the row, nothing relayed that was not written before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatapp.domain import Pair, Role, Tree
from tests.engine.context_end import SIDES, check_full, filling
from tests.engine.raw import Job, Raw

PLUGIN = Path(__file__).parent / "overlap_on_cpu"
ENVIRONMENT = {
    "SGLANG_PLUGINS": "overlap_on_cpu",
    "SGLANG_ENABLE_STRICT_MEM_CHECK_DURING_BUSY": "1",
    "SGLANG_CHECK_KV_PAGE_INVARIANTS": "1",
    "TRITON_INTERPRET": "1",  # the relay gathers with a kernel
}
CONTEXT, CHUNK = 512, 64
TEXTS = ["什么是推测解码？", "Tell me a little story", "列出三种水果", "Explain accept length"]


@pytest.fixture(scope="module", params=["5/4/16", "7/1/8"])
def overlapped(request, pocket_pair: Pair, start_engine) -> Iterator[Raw]:
    pair = replace(pocket_pair, tree=Tree.parse(request.param), context_length=CONTEXT)
    path = os.pathsep.join(filter(None, [str(PLUGIN), os.environ.get("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ENVIRONMENT | {"PYTHONPATH": path}).items():
            patch.setenv(name, value)
        chunked = "--chunked-prefill-size", str(CHUNK)
        with start_engine(pair, *chunked) as engine, Raw(engine) as raw:
            yield raw
            info = raw.server_info()
            assert info["disable_overlap_schedule"] is False
            assert info["internal_states"][0]["steps_checked"] > 200
            assert info["internal_states"][0]["steps_of_known_length"] > 30


@pytest.fixture(scope="module")
def jobs(prompt) -> list[Job]:
    """Short and long, with prefixes in common, ends that differ, and in every order of
    on and off: many more than run at once, so that all of it meets in one batch."""
    asked = [prompt.encode([(Role.USER, text)]) for text in TEXTS]
    words = [token for ids in asked for token in ids] * 6
    prompts = [*asked, *(words[:n] + words[n // 7 : n // 7 + 9] for n in (1, 63, 64, 65, 200, 330))]
    sides = [True, False, False, True, True, True, False]
    return [
        Job(ids, {"ignore_eos": True, "max_new_tokens": 12 + 7 * (at % 5)}, side)
        for at, (ids, side) in enumerate(zip(prompts * 2, sides * 3, strict=False))
    ]


def check(job: Job, answer: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert answer["output_ids"] == wanted["output_ids"]
    meta, said = answer["meta_info"], answer["meta_info"]["speculation"]
    assert said["on"] is job.speculation
    gained = sum(said["step_lengths"])
    assert gained == (meta["completion_tokens"] - 1 if job.speculation else 0)


def test_on_off_mixed_and_on_again(overlapped, jobs, plain_raw):
    """Four at once out of twenty, while two more hang up again and again."""
    wanted = plain_raw.answers(jobs, at_once=4)
    leaving = [replace(job, parameters={"ignore_eos": True}) for job in jobs[4:10]]

    def leave(at: int) -> None:
        overlapped.leave(leaving[at], after=1 + at % 3)

    with ThreadPoolExecutor(2) as others:
        gone = others.map(leave, range(len(leaving)))
        answers = overlapped.answers(jobs, at_once=4)
        list(gone)
    for job, answer, expected in zip(jobs, answers, wanted, strict=True):
        check(job, answer, expected)
    lengths = [
        length
        for answer in answers
        for length in answer["meta_info"]["speculation"]["step_lengths"]
    ]
    assert sum(lengths) / len(lengths) > 2, "what is relayed is what was drafted"


@pytest.mark.parametrize("sides", SIDES)
def test_to_the_last_token_of_the_context(overlapped, jobs, plain_raw, sides):
    """Lengths lag by a step here, so more is held than without overlap."""
    words = [token for job in jobs for token in job.ids]
    check_full(overlapped, plain_raw, filling(words, CONTEXT, overlapped.tree, SIDES[sides]))


def test_a_prefix_is_found_within_a_state_and_not_between(overlapped, plain_raw, prompt):
    ids = prompt.encode([(Role.USER, "请再说一遍：" + "甲乙丙丁戊己庚辛" * 12)])[::-1]
    wanted = plain_raw.answer(Job(ids, {"max_new_tokens": 8}))
    cached = []
    for side in (True, False, True, False):
        answer = overlapped.answer(Job(ids, {"max_new_tokens": 8}, side))
        assert answer["output_ids"] == wanted["output_ids"]
        cached.append(answer["meta_info"]["cached_tokens"])
    # With a draft the cache is keyed by pairs of tokens, so it ends a token earlier.
    assert cached == [0, 0, len(ids) - 2, len(ids) - 2]
