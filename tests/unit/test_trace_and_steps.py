"""The record of a stream, and the step view made from it, hold what was streamed."""

from __future__ import annotations

import json
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from chatapp.chat.traces import document, trace_from
from chatapp.domain import Chunk
from chatapp.measure.reply.metrics import histogram, metrics_of
from chatapp.measure.reply.steps import TokenSource, groups, whole_characters
from chatapp.measure.reply.trace import Arrival, Trace

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")
    | st.sampled_from("你好，世界🦅👩‍💻é\n *`"),
    max_size=60,
)


def byte_tokenizer() -> Tokenizer:
    """Every byte is a token, so that every Chinese character is spread over three."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


TOKENIZER = byte_tokenizer()


@st.composite
def streams(draw: st.DrawFn) -> list[Chunk]:
    """A reply as the engine streams it: steps of 1 to 6 tokens, chunks that merge steps."""
    ids = TOKENIZER.encode(draw(TEXT.filter(bool))).ids
    on = draw(st.booleans())
    lengths, left = [], len(ids) - 1
    while left:
        lengths.append(draw(st.integers(1, min(6, left))) if on else 1)
        left -= lengths[-1]
    ends = list(accumulate([1, *lengths]))
    last = len(ends) - 1
    cuts = sorted(draw(st.sets(st.integers(0, last))) | {last})
    chunks, at = [], 0.0
    for cut in cuts:
        at += draw(st.floats(0.001, 0.5))
        told = lengths[:cut] if on else []
        so_far = tuple(ids[: ends[cut]])
        chunks.append(Chunk("", so_far, 7, 3, ends[cut], on, histogram(told), tuple(told), at))
    return chunks


@given(streams())
def test_figures_from_the_record_are_those_that_were_shown(chunks: list[Chunk]) -> None:
    trace = Trace.of(chunks)
    kept = json.loads(json.dumps(document(trace)))
    assert trace_from(kept) == trace
    del kept["histogram"], kept["simulated_accept_length"]  # as it was kept before
    assert metrics_of(trace_from(kept)) == metrics_of(trace)


@given(streams())
@settings(max_examples=200)
def test_groups_hold_every_token_once_and_the_whole_text(chunks: list[Chunk]) -> None:
    trace = Trace.of(chunks)
    found = groups(trace, TOKENIZER)
    assert tuple(token for group in found for token in group.token_ids) == trace.token_ids
    text = "".join(piece.text for group in found for piece in group.pieces)
    assert text == TOKENIZER.decode(list(trace.token_ids))
    assert "\ufffd" not in text
    steps = [number for group in found for number in range(group.first, group.last + 1)]
    assert steps == list(range(len(steps)))
    assert all(sum(group.gained) == len(group.token_ids) for group in found)


@given(streams())
def test_each_verify_step_has_one_bonus_token_behind_its_drafts(chunks: list[Chunk]) -> None:
    trace = Trace.of(chunks)
    sources = [s for g in groups(trace, TOKENIZER) for p in g.pieces for s in p.sources]
    assert sources.count(TokenSource.BONUS) == len(trace.step_lengths)
    assert sources.count(TokenSource.DRAFTED) == sum(trace.step_lengths) - len(trace.step_lengths)
    assert sources.count(TokenSource.TARGET) == (1 if trace.speculation else len(trace.token_ids))
    assert all(
        after is not TokenSource.TARGET
        for before, after in zip(sources, sources[1:], strict=False)
        if before is TokenSource.DRAFTED
    )


@given(streams())
def test_the_time_of_a_group_is_that_of_its_chunks(chunks: list[Chunk]) -> None:
    trace = Trace.of(chunks)
    for group in groups(trace, TOKENIZER):
        assert 0 < group.ms <= trace.arrivals[-1].at * 1000 + 1e-6
        assert group.shared_by >= group.last - group.first + 1
    steps = len(trace.step_lengths) + 1 if trace.speculation else len(trace.token_ids)
    if len(chunks) == steps:  # no chunk holds two steps
        apart = [g for g in groups(trace, TOKENIZER) if g.first == g.last]
        assert all(group.shared_by == 1 for group in apart)


def test_merged_steps_share_their_time_and_say_so() -> None:
    arrivals = [Arrival(0.1, 1, 0), Arrival(0.2, 4, 1), Arrival(0.5, 9, 3)]
    trace = Trace(True, 5, 0, tuple(TOKENIZER.encode("abcdefghi").ids), (3, 2, 3), arrivals)
    found = groups(trace, TOKENIZER)
    assert [(group.first, round(group.ms), group.shared_by) for group in found] == [
        (0, 100, 1), (1, 100, 1), (2, 300, 2), (3, 300, 2)
    ]  # fmt: skip


def test_a_character_over_two_steps_brings_them_together() -> None:
    ids = tuple(TOKENIZER.encode("a你b").ids)
    trace = Trace(True, 5, 0, ids, (2, 2), [Arrival(0.1, 1, 0), Arrival(0.3, 5, 2)])
    first, both = groups(trace, TOKENIZER)
    assert (first.first, first.last, first.pieces[0].text) == (0, 0, "a")
    assert (both.first, both.last, both.gained) == (1, 2, (2, 2))
    assert [piece.text for piece in both.pieces] == ["你", "b"]


def test_bytes_that_are_no_text_do_not_swallow_the_rest() -> None:
    # 0xFF can begin no character, however many tokens follow.
    bad = TOKENIZER.token_to_id("ÿ")
    ids = [bad] * 6 + TOKENIZER.encode("ok").ids
    runs = whole_characters(ids, TOKENIZER)
    assert "".join(run.text for run in runs) == TOKENIZER.decode(ids)
    assert all(run.end - run.start <= 4 for run in runs)
    assert runs[-1].text == "k"
