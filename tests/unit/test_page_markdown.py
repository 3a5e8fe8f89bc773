"""What a model writes is shown, never run; and Chinese Markdown looks as it was meant."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.texts import Texts
from chatapp.ui.markdown import to_html

TEXTS = Texts("en")
SAFE_TAGS = set(
    "a blockquote br button code div em h1 h2 h3 h4 h5 h6 hr li ol p pre s span strong"
    " sup table tbody td th thead tr ul".split()
)
MATHML = set(
    "math mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup"
    " mtable mtd mtext mtr munder munderover menclose mmultiscripts mprescripts none".split()
)
SAFE_TAGS |= MATHML
SAFE_ATTRIBUTES = {"href", "target", "rel", "title", "class", "type", "start", "style"}
SAFE_LINKS = ("http://", "https://", "mailto:")
SAFE_ATTRIBUTES |= {"data-copy", "aria-label"}
SAFE_ATTRIBUTES |= {"accent", "accentunder", "columnalign", "columnlines", "columnspacing"}
SAFE_ATTRIBUTES |= {"depth", "display", "displaystyle", "fence", "form", "height", "largeop"}
SAFE_ATTRIBUTES |= {"linethickness", "lspace", "mathvariant", "maxsize", "minsize", "notation"}
SAFE_ATTRIBUTES |= {"movablelimits", "rowlines", "rowspacing", "rspace", "scriptlevel"}
SAFE_ATTRIBUTES |= {"separator", "stretchy", "symmetric", "width"}


class Audit(HTMLParser):
    """Collects what a browser would find that is not on the lists."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in SAFE_TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name not in SAFE_ATTRIBUTES:
                self.found.append(f"{tag} {name}")
            if name == "href" and not str(value).lower().startswith(SAFE_LINKS):
                self.found.append(f"href {value}")
            if name == "style" and not str(value).startswith("text-align:"):
                self.found.append(f"style {value}")


def audit(html: str) -> list[str]:
    parser = Audit()
    parser.feed(html)
    return parser.found


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)",
    "![x](javascript:alert(1))",
    "![x](http://tracker.example/pixel.png)",
    '![x" onerror="alert(1)](http://a.example/)',
    '[x](http://a.example/"onmouseover="alert(1))',
    '<a href="javascript:alert(1)">x</a>',
    "<javascript:alert(1)>",
    "```<script>\nalert(1)\n```",
    '```"><img src=x onerror=alert(1)>\ncode\n```',
    "    <b>indented</b>",
    "| <b>a</b> |\n|---|\n| <script>x</script> |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!-- x --><style>*{display:none}</style>",
    "[a]: javascript:alert(1)\n\n[a]",
    "${alert(1)} {{7*7}} `${alert(1)}`",
    r"$\text{<script>alert(1)</script>}$",
    r"$\text{&lt;script&gt;alert(1)&lt;/script&gt;}$",
    r"$$\href{javascript:alert(1)}{x}$$",
    r"\(\style{background:url(http://a.example)}{x}\)",
    r"\[\class{ec-send}{x} \color{red}{y} \begin{matrix}<b>&</b>\end{matrix}\]",
    r"$\includegraphics{http://a.example/x.png}$ $\unicode{60}script$",
    "$" + "{" * 3000 + "$",
    "x[^1]\n\n[^1]: <img src=x onerror=alert(1)> [x](javascript:alert(1))",
    "```python\nx = '<script>alert(1)</script>'\n```",
    "```html\n<script>alert(1)</script><a onclick=x>\n```",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_survives(text: str) -> None:
    assert audit(str(to_html(text, TEXTS))) == []


def test_the_audit_finds_what_it_looks_for() -> None:
    assert audit("<script>x</script><a href='javascript:x' onclick=x>y</a>") == [
        "<script>",
        "href javascript:x",
        "a onclick",
    ]


@given(st.text(st.sampled_from("<>&\"'`*_[]()!#|~\\/:=-+ \n\tabjs粗。，“”$^{}"), max_size=120))
@example("<" * 50 + "[" * 50)
def test_no_text_becomes_a_tag_of_its_own(text: str) -> None:
    assert audit(str(to_html(text, TEXTS))) == []


def test_an_image_is_a_link_and_fetches_nothing() -> None:
    html = to_html("![a cat](https://a.example/cat.png)", TEXTS)
    assert "<img" not in html
    assert '<a href="https://a.example/cat.png"' in html and ">a cat</a>" in html


def test_links_open_apart_and_tell_nothing() -> None:
    html = to_html("[there](https://a.example)", TEXTS)
    assert 'target="_blank"' in html and 'rel="noopener noreferrer nofollow"' in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**粗体。**后面", "<strong>粗体。</strong>后面"),
        ("他说**“你好”**然后走了", "他说<strong>“你好”</strong>然后走了"),
        ("**结论：**可以", "<strong>结论：</strong>可以"),
        ("这是*斜体，*对", "这是<em>斜体，</em>对"),
        ("a **b** c", "a <strong>b</strong> c"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("snake_case_name", "snake_case_name"),
    ],
)
def test_emphasis(text: str, html: str) -> None:
    assert f"<p>{html}</p>" in str(to_html(text, TEXTS))


def read(html: str) -> str:
    """What a person reads of it, with its spaces."""
    return unescape(re.sub("<[^>]*>", "", html))


def test_code_keeps_its_space_and_has_a_copy_button() -> None:
    html = to_html("```python\nif a:\n    return '<b>'\n```", TEXTS)
    assert "if a:\n    return '<b>'" in read(html)
    assert 'data-copy="code"' in html and ">python<" in html


def test_an_unfinished_code_block_is_one_already() -> None:
    html = to_html("```python\nprint(1)", TEXTS)
    assert "<pre><code>" in html and "print(1)" in read(html)


def test_tables_and_lists() -> None:
    html = to_html("- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |", TEXTS)
    assert html.count("<li>") == 2 and "<td>2</td>" in html


def test_a_long_reply_is_rendered_quickly_and_whole() -> None:
    text = "\n\n".join(f"段落 {n} **粗体** and `code`." for n in range(400))
    html = to_html(text, TEXTS)
    assert html.count("<p>") == 400 and "段落 399" in html


@pytest.mark.parametrize(
    "text",
    [
        "那么$x^2$是",
        "so $x^2$ is",
        r"so \(x^2\) is",
        "$$\nx^2\n$$",
        "公式：\n$$\nx^2\n$$\n完",
        r"\[x^2\]",
        "公式：\n\\[\nx^2\n\\]\n完",
        "- 一\n- $x^2$",
        "| a |\n|---|\n| $x^2$ |",
    ],
)
def test_formulas_as_the_models_write_them(text: str) -> None:
    html = to_html(text, TEXTS)
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html and "$" not in html


@pytest.mark.parametrize(
    "text", ["$5 and $10", "费用 $5 到 $10 元", "`$x$`", "```\n$x$\n```", "US$3"]
)
def test_money_and_code_are_no_formulas(text: str) -> None:
    assert "<math" not in to_html(text, TEXTS)


def test_what_is_no_formula_is_shown_as_written() -> None:
    html = to_html(r"$\frac{$", TEXTS)
    assert r'<code class="ec-formula">\frac{</code>' in html


def test_an_unfinished_formula_is_text_until_it_is_one() -> None:
    assert "<math" not in to_html("$$\nx^2", TEXTS) and "x^2" in to_html("$$\nx^2", TEXTS)


def test_code_is_coloured_by_the_language_it_names_and_by_no_guess() -> None:
    assert 'class="ec-t-k">def<' in to_html("```python\ndef f(): pass\n```", TEXTS)
    assert "ec-t-" not in to_html("```\ndef f(): pass\n```", TEXTS)
    assert "ec-t-" not in to_html("```nonsense\ndef f(): pass\n```", TEXTS)


def test_footnotes_stand_at_the_end_and_link_nowhere() -> None:
    html = to_html("一[^a]二\n\n[^a]: 注", TEXTS)
    assert "一<sup>1</sup>二" in html and "<li><p>注</p>" in html and "href" not in html
