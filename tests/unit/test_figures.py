"""Figures follow from chunks, and merging chunks changes none that do not hang on time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.domain import Chunk, Counts
from chatapp.measure.figures import ReplyMeter


def chunks_of(lengths: list[int], gap: float = 0.1, speculation: bool = True) -> list[Chunk]:
    """A prefill token, then one chunk per verify step of ``lengths``."""
    made, tokens, histogram = [], 1, [0] * 6
    for at, length in enumerate([None, *lengths]):
        if length is not None:
            tokens += length
            histogram[length - 1] += 1
        steps = at if speculation else 0
        counts = Counts(
            speculation,
            steps,
            tokens - 1 - at if speculation else 0,
            tuple(histogram) if speculation else (),
        )
        made.append(
            Chunk(
                text="x" * tokens,
                token_ids=tuple(range(tokens)),
                prompt_tokens=7,
                cached_tokens=3,
                completion_tokens=tokens,
                counts=counts,
                step_lengths=() if length is None else (length,),
                at=0.5 + at * gap,
            )
        )
    return made


def merge(chunks: list[Chunk], cuts: set[int]) -> list[Chunk]:
    """Chunks without a cut behind them arrive together with the next one."""
    merged, held = [], ()
    for at, chunk in enumerate(chunks):
        held += chunk.step_lengths
        if at in cuts or at in (0, len(chunks) - 1):
            merged.append(replace(chunk, step_lengths=held))
            held = ()
    return merged


def meter(chunks: list[Chunk], speculation: bool = True) -> ReplyMeter:
    made = ReplyMeter(speculation)
    for chunk in chunks:
        made.add(chunk)
    return made


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60), st.sets(st.integers(0, 60)))
def test_merged_chunks_give_the_same_figures(lengths: list[int], cuts: set[int]) -> None:
    chunks = chunks_of(lengths)
    assert meter(merge(chunks, cuts)).figures() == meter(chunks).figures()


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60))
def test_accept_length_is_tokens_per_verify_step(lengths: list[int]) -> None:
    figures = meter(chunks_of(lengths)).figures()
    assert figures.accept_length == pytest.approx(sum(lengths) / len(lengths))
    assert figures.step_lengths == tuple(lengths)
    assert sum(figures.accept_histogram) == figures.verify_steps == len(lengths)
    gained = sum((i + 1) * n for i, n in enumerate(figures.accept_histogram))
    assert gained == figures.completion_tokens - 1


def test_decode_speed_leaves_the_first_chunk_out() -> None:
    figures = meter(chunks_of([4, 4, 4, 4], gap=0.25)).figures()
    assert figures.tokens_per_second == pytest.approx(16.0)
    assert figures.ttft_s == 0.5
    assert figures.duration_s == pytest.approx(1.5)


def test_now_is_the_last_second_and_the_last_ten_steps() -> None:
    live = meter(chunks_of([1] * 20 + [5] * 10, gap=0.1)).live()
    assert live.accept_length_now == 5
    assert live.tokens_per_second_now == pytest.approx(50)
    assert live.accept_length == pytest.approx(70 / 30)
    assert live.tokens_per_second == pytest.approx(70 / 3)


def test_without_speculation_nothing_is_reported_as_proposed() -> None:
    figures = meter(chunks_of([1] * 5, speculation=False), speculation=False).figures()
    assert not figures.speculation
    assert (figures.verify_steps, figures.accepted_drafts, figures.accept_length) == (0, 0, None)
    assert figures.step_lengths == ()
    assert figures.tokens_per_second == pytest.approx(10)


def test_what_the_engine_did_wins_over_what_was_asked() -> None:
    assert meter(chunks_of([3]), speculation=False).figures().speculation


def test_one_chunk_has_no_speed() -> None:
    figures = meter(chunks_of([])).figures()
    assert figures.tokens_per_second is None
    assert figures.ttft_s == 0.5


def test_nothing_streamed_is_nothing_measured() -> None:
    figures = ReplyMeter(True).figures()
    assert (figures.completion_tokens, figures.ttft_s, figures.tokens_per_second) == (0, None, None)
    assert ReplyMeter(True).live().tokens_per_second_now is None
