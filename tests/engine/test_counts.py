"""The counts on every chunk, recomputed from nothing but the tokens of the stream."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from chatapp.domain import Role
from tests.engine.raw import Job

TEXTS = ["什么是推测解码？", "Tell me a little story", "List three colours", "三加五等于几？"]


def recompute(events: list[dict], stop_cut: bool, longest: int = 6) -> None:
    """Checks every chunk of a stream with speculation on against its own token ids."""
    steps_before, tokens_before = 0, 0
    for event in events:
        meta = event["meta_info"]
        said, tokens = meta["speculation"], meta["completion_tokens"]
        lengths = said["step_lengths"]
        assert said["verify_steps"] == len(lengths)
        assert said["accepted_drafts"] == sum(length - 1 for length in lengths)
        seen = Counter(length - 1 for length in lengths)
        assert said["histogram"] == [seen[i] for i in range(len(said["histogram"]))]
        assert sum(said["histogram"]) == len(lengths)
        # The prefill gains one token; every other one comes from a verify step.
        assert sum(lengths) + 1 == tokens
        assert sum(lengths[steps_before:]) == tokens - max(tokens_before, 1)
        assert all(1 <= length <= longest for length in lengths)
        steps_before, tokens_before = len(lengths), tokens
    last = events[-1]
    assert len(last["output_ids"]) == tokens_before
    if not stop_cut:
        assert last["meta_info"]["spec_verify_ct"] == steps_before


def job(prompt, text: str, **parameters) -> Job:
    return Job(prompt.encode([(Role.USER, text)]), {"max_new_tokens": 90} | parameters)


@pytest.mark.parametrize("text", TEXTS)
def test_greedy_until_the_end_of_the_reply(raw, prompt, text):
    recompute(raw.stream(job(prompt, text)), stop_cut=False)


def test_sampled(raw, prompt):
    recompute(raw.stream(job(prompt, TEXTS[1], temperature=1.2, sampling_seed=5)), stop_cut=False)


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5, 33])
def test_cut_short_by_the_most_tokens_allowed(raw, prompt, most):
    events = raw.stream(job(prompt, TEXTS[1], max_new_tokens=most, ignore_eos=True))
    recompute(events, stop_cut=True)
    assert events[-1]["meta_info"]["completion_tokens"] == most


def test_cut_short_by_a_stop_string(raw, prompt):
    recompute(raw.stream(job(prompt, TEXTS[1], stop=[" the", "a "])), stop_cut=True)


def test_merged_chunks_and_four_streams_at_once(raw, prompt):
    merged = [job(prompt, text, stream_interval=7, ignore_eos=True) for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        streams = list(pool.map(raw.stream, merged))
    for events in streams:
        recompute(events, stop_cut=True)
    assert all(len(events) < events[-1]["meta_info"]["speculation"]["verify_steps"]
               for events in streams), "no chunk held more than one step"  # fmt: skip
