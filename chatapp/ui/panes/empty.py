"""What a conversation shows before its first message."""

from __future__ import annotations

import json
from functools import lru_cache

from markupsafe import Markup

from chatapp import locations
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.render import render

COUNT = 4


def empty(texts: Texts) -> Markup:
    order = sorted(LANGUAGES, key=lambda language: language != texts.language)
    return render("empty", texts, examples=[(language, examples(language)) for language in order])


@lru_cache
def examples(language: str) -> tuple[str, ...]:
    """Prompts that the pair answers well: its own, or those of the catalogue."""
    try:
        path = locations.pocket_pair() / "examples.json"
        own = json.loads(path.read_text("utf-8"))[language]
        return tuple(str(prompt) for prompt in own[:COUNT])
    except (OSError, ValueError, KeyError, TypeError):
        texts = Texts(language)
        return tuple(texts(f"page.empty.example{n}") for n in range(1, COUNT + 1))
