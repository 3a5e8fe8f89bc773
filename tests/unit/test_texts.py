"""The catalogues say the same things, and the nearest language is taken."""

from __future__ import annotations

from string import Formatter

import pytest

from chatapp.texts import FALLBACK, LANGUAGES, Texts, nearest_language

_OTHERS = [language for language in LANGUAGES if language != FALLBACK]


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", _OTHERS)
def test_every_catalogue_has_every_key_with_the_same_places(language: str) -> None:
    one, other = Texts(FALLBACK), Texts(language)
    assert one.keys() == other.keys()
    differ = {key for key in one.keys() if _places(one(key)) != _places(other(key))}
    assert not differ


@pytest.mark.parametrize(
    ("wanted", "language"),
    [("zh_TW.UTF-8", "zh"), ("zh-CN,en;q=0.8", "zh"), ("en", "en"), ("fr-FR", "en"), ("", "en")],
)
def test_the_nearest_language_is_taken(wanted: str, language: str) -> None:
    assert nearest_language(wanted) == language
