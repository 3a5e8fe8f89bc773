"""Per-position acceptance and averages against counting by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chatapp.domain import ReplyMetrics
from chatapp.measure.reply.acceptance import add, positions
from chatapp.measure.reply.averages import Measured, average, averages
from chatapp.measure.reply.metrics import histogram

LENGTHS = st.lists(st.integers(1, 7), max_size=80)


def figures(lengths: list[int], speculation: bool = True, seconds: float = 2.0) -> ReplyMetrics:
    tokens = sum(lengths) + 1
    return ReplyMetrics(
        speculation, 10, tokens, 0, len(lengths), tokens - 1 - len(lengths), histogram(lengths),
        (tokens - 1) / len(lengths) if lengths else None, (tokens - 1) / seconds, 0.5,
        0.5 + seconds, tuple(lengths),
    )  # fmt: skip


@given(LENGTHS)
def test_positions_equal_counting_over_the_steps(lengths: list[int]) -> None:
    found = positions(histogram(lengths))
    assert len(found) == max((length - 1 for length in lengths), default=0)
    for position in found:
        accepted = [length for length in lengths if length > position.number]
        reached = [length for length in lengths if length >= position.number]
        assert position.accepted == len(accepted)
        assert position.reached == len(reached)
        assert position.share == len(accepted) / len(lengths)
        assert position.share_when_reached == len(accepted) / len(reached)
    # The sum over positions is the drafts accepted, so the accept length follows from it.
    assert sum(position.accepted for position in found) == sum(lengths) - len(lengths)


@given(st.lists(LENGTHS, max_size=6))
def test_histograms_add_up(replies: list[list[int]]) -> None:
    together = histogram([length for lengths in replies for length in lengths])
    assert add(histogram(lengths) for lengths in replies) == together


@given(st.lists(LENGTHS.filter(bool), min_size=1, max_size=6))
def test_the_average_is_over_steps_not_over_replies(replies: list[list[int]]) -> None:
    found = average(figures(lengths) for lengths in replies)
    steps = [length for lengths in replies for length in lengths]
    assert found.accept_length == sum(steps) / len(steps)
    assert abs(found.tokens_per_second - sum(steps) / (2.0 * len(replies))) < 1e-6


def test_averages_keep_on_and_off_and_languages_and_kinds_apart() -> None:
    found = averages(
        [
            Measured("zh", "prose", figures([4, 4])),
            Measured("en", "code", figures([2, 2, 2])),
            Measured("en", "prose", figures([1] * 5, speculation=False)),
            Measured(None, None, figures([3])),
        ]
    )
    assert found.all.replies == 3 and found.off.replies == 1
    assert found.languages["zh"].accept_length == 4.0
    assert found.languages["en"].accept_length == 2.0
    assert set(found.kinds) == {"code", "prose"}


def test_nothing_measured_is_nothing_not_zero() -> None:
    found = averages([])
    assert found.all.accept_length is None and found.all.tokens_per_second is None
    assert positions(()) == ()
