"""Every word that a person reads, from one catalogue per language.

``Texts("zh")("composer.send")`` looks a key up in ``assets/texts/zh.toml``; code
holds keys, never sentences.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from chatapp import locations


@dataclass(frozen=True, slots=True)
class Locale:
    """``code`` names its catalogue and is what settings say; ``name`` is what it calls itself,
    ``tag`` what a browser calls it (BCP 47), ``gap`` what stands between two sentences."""

    code: str
    name: str
    tag: str
    gap: str = " "


LANGUAGES = {
    row.code: row
    for row in (
        Locale("zh", "中文", "zh-CN", gap=""),
        Locale("en", "English", "en"),
    )
}
FALLBACK = "en"


@lru_cache
def _catalogue(language: str) -> dict[str, str]:
    with (locations.assets() / "texts" / f"{language}.toml").open("rb") as file:
        return dict(_flat(tomllib.load(file)))


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def nearest_language(wanted: str) -> str:
    """The one that a locale or a browser's list begins with: ``zh_CN.UTF-8``, ``zh-TW,en``."""
    begins = re.split("[^a-z]", wanted.lower(), maxsplit=1)[0]
    return begins if begins in LANGUAGES else FALLBACK


def system_language(environment: Mapping[str, str] = os.environ) -> str:
    """The language of this terminal, as its locale says."""
    set_ones = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return nearest_language(next(filter(None, set_ones), ""))


class Texts:
    """The catalogue of one language. Raises KeyError for a key that is not in it."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"no catalogue for {language!r}")
        self.language = language

    @property
    def row(self) -> Locale:
        return LANGUAGES[self.language]

    def __call__(self, key: str, **values: object) -> str:
        text = _catalogue(self.language)[key]
        return text.format(**values) if values else text

    def keys(self) -> frozenset[str]:
        return frozenset(_catalogue(self.language))
