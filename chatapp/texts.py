"""Every word that a person reads, from one catalogue per language.

``Texts("zh")("composer.send")`` looks a key up in ``assets/texts/zh.toml``; code
holds keys, never sentences.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from chatapp import locations

LANGUAGES = ("zh", "en")


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


def system_language(environment: Mapping[str, str] = os.environ) -> str:
    """The language of this terminal: ``zh`` where the locale says so, else ``en``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "zh" if environment[name].startswith("zh") else "en"
    return "en"


class Texts:
    """The catalogue of one language. Raises KeyError for a key that is not in it."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"no catalogue for {language!r}")
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        text = _catalogue(self.language)[key]
        return text.format(**values) if values else text

    def keys(self) -> frozenset[str]:
        return frozenset(_catalogue(self.language))
