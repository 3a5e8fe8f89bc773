"""The kind of a text is that of most of its characters."""

from __future__ import annotations

import pytest

from chatapp.measure.reply.text_kind import text_kind_of


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "prose"),
        ("The verify step checks the draft.\n\nIt is one pass.", "prose"),
        ("验证步是目标模型的一次前向计算。", "prose"),
        ("Here:\n```python\ndef add(a, b):\n    return a + b\n```\n", "code"),
        ("```\nunfinished because it was stopped", "code"),
        ("Three:\n- apples and pears\n- bread\n- a bottle of milk\n", "list"),
        ("1. 起床\n2. 刷牙洗脸\n3. 吃早饭\n", "list"),
        ("一、准备材料和工具\n二、洗菜切菜\n", "list"),
        ("| word | 词 |\n|---|---|\n| draft | 草稿 |\n", "list"),
        ("- first\n  goes on below the item for a while\n", "list"),
        ("It costs 3.5 yuan.\n2024 was a good year for it.", "prose"),
        ("A long sentence that says much more than the list below does.\n- a\n- b", "prose"),
        ("- in words\n```\nx = 1  # and a much longer piece of code than the item\n```", "code"),
    ],
)
def test_kind_of(text: str, kind: str) -> None:
    assert text_kind_of(text) == kind
