"""Code into coloured spans, by the language that its writer named; nothing is guessed."""

from __future__ import annotations

from functools import lru_cache

from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_LONGEST = 50_000
_FORMATTER = HtmlFormatter[str](nowrap=True, classprefix="ec-t-")


@lru_cache(maxsize=256)
def to_spans(code: str, language: str) -> Markup:
    """``code`` escaped, its words in spans with the classes that Pygments knows them by."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(code)
    if len(code) > _LONGEST:
        return escape(code)
    return Markup(highlight(code, lexer, _FORMATTER))
