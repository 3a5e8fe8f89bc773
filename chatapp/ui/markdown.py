"""Markdown of a reply into HTML that cannot do anything.

What the model writes is untrusted: HTML is shown as text, links go nowhere but to
http(s) and mail and open apart, images become links, nothing is fetched. Chinese
emphasis (``**粗体。**后``) closes as its writer meant it, which CommonMark's rule for
word boundaries would not allow. Formulas stand between ``$`` or ``$$``, or behind
``\\(`` or ``\\[``, as the models write them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline, emphasis
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.texmath import texmath_plugin

from chatapp.texts import Texts
from chatapp.ui.code import to_spans
from chatapp.ui.formula import to_mathml
from chatapp.ui.render import render

_LINK = re.compile(r"(https?://|mailto:)[^\s]+", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,24}")
_MAX_NESTING = 100


def to_html(text: str, texts: Texts) -> Markup:
    """``text`` as safe HTML, with the words of ``texts`` on its buttons."""
    return Markup(_parser(texts.language).render(text))


@lru_cache
def _parser(language: str) -> MarkdownIt:
    renderer = _Renderer(Texts(language))
    parser = _Parser(
        "commonmark",
        {"html": False, "breaks": True, "maxNesting": _MAX_NESTING},
        renderer_cls=lambda _: renderer,
    )
    parser.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])
    parser.inline.ruler.at("emphasis", _emphasis)
    ours = dict(renderer.rules)  # before the plug-ins bring their own
    dollarmath_plugin(
        parser, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True
    )
    parser.inline.ruler.before("escape", "bracket_display", _bracket_display)
    texmath_plugin(parser, delimiters="brackets")
    footnote_plugin(parser)
    renderer.rules.update(ours)
    return parser


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        return bool(_LINK.fullmatch(url))


class _Renderer(RendererHTML):
    def __init__(self, texts: Texts) -> None:
        super().__init__()
        self._texts = texts

    def fence(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        language = _LANGUAGE.match(tokens[at].info.strip())
        return self._code(tokens[at].content, language[0] if language else "")

    def code_block(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        return self._code(tokens[at].content, "")

    def _code(self, code: str, language: str) -> str:
        return render("code", self._texts, code=to_spans(code, language), language=language)

    def math_inline(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        return to_mathml(tokens[at].content.strip(), display=False)

    def math_inline_double(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        return to_mathml(tokens[at].content.strip(), display=True)

    def math_block(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        formula = to_mathml(tokens[at].content.strip(), display=True)
        return Markup('<div class="ec-formula-block">{}</div>\n').format(formula)

    math_block_label = math_block_eqno = math_block

    def footnote_ref(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        """No link: notes of two messages would have one name, and the address is the app's."""
        return Markup("<sup>{}</sup>").format(int(tokens[at].meta["id"]) + 1)

    def footnote_block_open(self, *_: Any) -> str:
        return '<hr>\n<ol class="ec-footnotes">\n'

    def footnote_block_close(self, *_: Any) -> str:
        return "</ol>\n"

    def footnote_open(self, *_: Any) -> str:
        return "<li>"

    def footnote_anchor(self, *_: Any) -> str:
        return ""

    def link_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        tokens[at].attrSet("target", "_blank")
        tokens[at].attrSet("rel", "noopener noreferrer nofollow")
        return self.renderToken(tokens, at, options, env)

    def image(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        url = str(tokens[at].attrGet("src") or "")
        label = tokens[at].content or self._texts("page.message.image")
        return Markup(
            '<a href="{}" target="_blank" rel="noopener noreferrer nofollow">{}</a>'
        ).format(url, label)

    def table_open(self, *_: Any) -> str:
        return '<div class="ec-table"><table>'

    def table_close(self, *_: Any) -> str:
        return "</table></div>"


def _bracket_display(state: StateInline, silent: bool) -> bool:
    """``\\[ … \\]`` inside a paragraph, over several lines too: models leave out the empty
    lines that would make it a block."""
    if not state.src.startswith(r"\[", state.pos):
        return False
    end = state.src.find(r"\]", state.pos)
    if end < 0:
        return False
    if not silent:
        token = state.push("math_inline_double", "math", 0)
        token.content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


def _emphasis(state: StateInline, silent: bool) -> bool:
    """CommonMark's rule, asked with another idea of what may open and close."""
    state.scanDelims = partial(_scan, state)  # type: ignore[method-assign]
    return emphasis.tokenize(state, silent)


def _scan(state: StateInline, start: int, can_split_word: bool) -> Scanned:
    """Beside a wide character or mark, a run of ``*`` may open or close whatever stands
    at its other side: Chinese puts no spaces around words."""
    scanned = StateInline.scanDelims(state, start, can_split_word)
    before = state.src[start - 1] if start else " "
    after = state.src[start + scanned.length : start + scanned.length + 1] or " "
    if not can_split_word or not (_is_wide(before) or _is_wide(after)):
        return scanned
    return Scanned(
        scanned.can_open or not after.isspace(),
        scanned.can_close or not before.isspace(),
        scanned.length,
    )


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
