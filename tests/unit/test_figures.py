"""ReplyMetrics follow from chunks, and merging chunks changes none that do not hang on time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.domain import Chunk
from chatapp.measure.reply.metrics import metrics_of, window_of
from chatapp.measure.reply.trace import Trace


def chunks_of(lengths: list[int], gap: float = 0.1, speculation: bool = True) -> list[Chunk]:
    """A prefill token, then one chunk per verify step of ``lengths``."""
    made, tokens, histogram = [], 1, [0] * 6
    for at, length in enumerate([None, *lengths]):
        if length is not None:
            tokens += length
            histogram[length - 1] += 1
        made.append(
            Chunk(
                text="x" * tokens,
                token_ids=tuple(range(tokens)),
                prompt_tokens=7,
                cached_tokens=3,
                completion_tokens=tokens,
                speculation=speculation,
                histogram=tuple(histogram) if speculation else (),
                step_lengths=tuple(lengths[:at]) if speculation else (),
                at=0.5 + at * gap,
            )
        )
    return made


def merge(chunks: list[Chunk], cuts: set[int]) -> list[Chunk]:
    """Chunks without a cut behind them arrive together with the next one."""
    kept = cuts | {0, len(chunks) - 1}
    return [chunk for at, chunk in enumerate(chunks) if at in kept]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60), st.sets(st.integers(0, 60)))
def test_merged_chunks_give_the_same_figures(lengths: list[int], cuts: set[int]) -> None:
    chunks = chunks_of(lengths)
    assert metrics_of(Trace.of(merge(chunks, cuts))) == metrics_of(Trace.of(chunks))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=60))
def test_accept_length_is_tokens_per_verify_step(lengths: list[int]) -> None:
    figures = metrics_of(Trace.of(chunks_of(lengths)))
    assert figures.accept_length == pytest.approx(sum(lengths) / len(lengths))
    assert figures.step_lengths == tuple(lengths)
    assert sum(figures.accept_histogram) == figures.verify_steps == len(lengths)
    gained = sum((i + 1) * n for i, n in enumerate(figures.accept_histogram))
    assert gained == figures.completion_tokens - 1


def test_decode_speed_leaves_the_first_chunk_out() -> None:
    figures = metrics_of(Trace.of(chunks_of([4, 4, 4, 4], gap=0.25)))
    assert figures.tokens_per_second == pytest.approx(16.0)
    assert figures.ttft_s == 0.5
    assert figures.duration_s == pytest.approx(1.5)


def test_the_time_of_a_verify_step_is_accept_length_by_decode_speed() -> None:
    figures = metrics_of(Trace.of(chunks_of([4, 1, 4, 3], gap=0.25)))
    assert figures.verify_step_s == pytest.approx(0.25)
    assert figures.accept_length / figures.verify_step_s == pytest.approx(figures.tokens_per_second)
    assert metrics_of(Trace.of(chunks_of([1] * 4, speculation=False))).verify_step_s is None


def test_now_is_the_last_second_and_the_last_ten_steps() -> None:
    trace = Trace.of(chunks_of([1] * 20 + [5] * 10, gap=0.1))
    now, whole = window_of(trace), metrics_of(trace)
    assert now.accept_length == 5
    assert now.tokens_per_second == pytest.approx(50)
    assert whole.accept_length == pytest.approx(70 / 30)
    assert whole.tokens_per_second == pytest.approx(70 / 3)


def test_after_a_pause_now_is_the_last_chunk() -> None:
    first, *_, last = chunks_of([3] * 8, gap=0.1)
    trace = Trace.of([first, replace(last, at=9.0)])
    assert window_of(trace).tokens_per_second == pytest.approx(24 / 8.5)


@given(st.lists(st.integers(1, 6), max_size=60), st.floats(0.01, 2))
def test_a_record_has_figures_at_every_moment(lengths: list[int], gap: float) -> None:
    trace = Trace(True)
    for number, chunk in enumerate(chunks_of(lengths, gap)):
        trace.add(chunk)
        assert metrics_of(trace) == metrics_of(Trace.of(chunks_of(lengths[:number], gap)))
        now = window_of(trace)
        assert now.accept_length is None or 1 <= now.accept_length <= 6


def test_sums_without_steps_are_figures_too() -> None:
    """What an engine without our plug-in tells, with its last chunk."""
    first, *_, last = chunks_of([3, 1, 4])
    bare = replace(first, speculation=False, histogram=())
    trace = Trace.of([bare, replace(last, step_lengths=())])
    figures = metrics_of(trace)
    assert (figures.verify_steps, figures.accepted_drafts, figures.step_lengths) == (3, 5, ())
    assert figures.accept_length == pytest.approx(8 / 3)


def test_without_speculation_nothing_is_reported_as_proposed() -> None:
    figures = metrics_of(Trace.of(chunks_of([1] * 5, speculation=False)))
    assert not figures.speculation
    assert (figures.verify_steps, figures.accepted_drafts, figures.accept_length) == (0, 0, None)
    assert figures.step_lengths == ()
    assert figures.tokens_per_second == pytest.approx(10)


def test_what_the_engine_did_wins_over_what_was_asked() -> None:
    assert metrics_of(Trace.of(chunks_of([3]), speculation=False)).speculation


def test_one_chunk_has_no_speed() -> None:
    figures = metrics_of(Trace.of(chunks_of([])))
    assert figures.tokens_per_second is None
    assert figures.ttft_s == 0.5


def test_nothing_streamed_is_nothing_measured() -> None:
    figures = metrics_of(Trace(True))
    assert (figures.completion_tokens, figures.ttft_s, figures.tokens_per_second) == (0, None, None)
    assert window_of(Trace(True)).tokens_per_second is None
