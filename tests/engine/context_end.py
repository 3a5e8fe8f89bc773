"""Streams that fill the context to the last token that the engine allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chatapp.domain import Tree
from tests.engine.raw import Job, Raw

SIDES = {
    "on": (True, True, True, True),
    "off": (False, False, False, False),
    "mixed": (True, False, True, False),
}
NEW_TOKENS = 24, 21, 18, 15


def filling(words: Sequence[int], context: int, tree: Tree, sides: Sequence[bool]) -> list[Job]:
    """One stream for each side, of different lengths, all ending at the last token: SGLang
    keeps as many back as a step of the tree writes."""
    last = context - tree.reserved_tokens
    assert len(words) >= last
    return [
        Job(words[: last - new], {"ignore_eos": True, "max_new_tokens": new}, side)
        for new, side in zip(NEW_TOKENS, sides, strict=True)
    ]


def check_full(raw: Raw, plain_raw: Raw, jobs: Sequence[Job]) -> None:
    """They say what an engine without a draft says, and no more is allowed."""
    check_texts(raw, plain_raw, jobs)
    more = {"max_new_tokens": jobs[0].parameters["max_new_tokens"] + 1}
    assert raw.refuses(replace(jobs[0], parameters=more))


def check_texts(raw: Raw, plain_raw: Raw, jobs: Sequence[Job]) -> None:
    """All at once they say what an engine without a draft says."""
    answers = raw.answers(jobs, at_once=len(jobs))
    wanted = plain_raw.answers(jobs, at_once=len(jobs))
    for job, answer, expected in zip(jobs, answers, wanted, strict=True):
        assert answer["output_ids"] == expected["output_ids"]
        assert answer["meta_info"]["completion_tokens"] == job.parameters["max_new_tokens"]
        assert answer["meta_info"]["speculation"]["on"] is job.speculation
