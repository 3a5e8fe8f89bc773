"""What a person may type: everything that makes sense, nothing that breaks the engine."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.chat.messages import MAX_BYTES, cells, check_message, clean, title_of
from chatapp.errors import InputError
from chatapp.texts import Texts


@pytest.mark.parametrize("text", ["", " ", "\n\t \r\n", "\u200b\u200d", "\x00\x01", "\u3000"])
def test_nothing_to_see_is_empty(text: str) -> None:
    with pytest.raises(InputError) as refused:
        check_message(text)
    assert refused.value.key == "message_empty"


def test_a_megabyte_is_too_large_and_says_how_large() -> None:
    with pytest.raises(InputError) as refused:
        check_message("鹰" * 350_000)
    assert refused.value.key == "message_too_large"
    assert "1026 KB" in refused.value.words(Texts("en"))
    assert str(MAX_BYTES // 1024) in refused.value.words(Texts("zh"))


def test_fifty_thousand_emoji_pass_this_check() -> None:
    assert len(check_message("🦅" * 50_000)) == 50_000


def test_control_characters_and_surrogates_are_cleaned() -> None:
    assert check_message("a\x00b\x1b[31mc\ud800\r\nd\te\x85") == "ab[31mc\ufffd\nd\te"


def test_markup_is_left_as_it_is() -> None:
    text = "<script>alert(1)</script> & <|im_end|>"
    assert check_message(text) == text


def test_indentation_and_inner_lines_are_kept() -> None:
    assert check_message("\n\n    def f():\n        pass\n\n") == "    def f():\n        pass"


@given(st.text() | st.text(st.characters(categories=["Cs", "Cc", "Lo"])))
def test_what_is_clean_can_be_stored_and_sent(text: str) -> None:
    cleaned = clean(text)
    assert json.loads(json.dumps(cleaned).encode("utf-8")) == cleaned
    assert clean(cleaned) == cleaned


@given(st.text())
def test_a_title_is_one_line_of_at_most_forty_cells(text: str) -> None:
    title = title_of(text)
    assert "\n" not in title
    assert sum(cells(char) for char in title) <= 40


def test_titles() -> None:
    assert title_of("  你好\n世界 ") == "你好 世界"
    assert title_of("How does speculative decoding work in this app?") == (
        "How does speculative decoding work in…"
    )
    assert title_of("鹰" * 30) == "鹰" * 19 + "…"
