"""What a model writes is shown, never run; and Chinese Markdown looks as it was meant."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.texts import Texts
from chatapp.ui.markdown import to_html

TEXTS = Texts("en")
SAFE_TAGS = set(
    "a blockquote br button code div em h1 h2 h3 h4 h5 h6 hr li ol p pre s span strong"
    " table tbody td th thead tr ul".split()
)
SAFE_ATTRIBUTES = {"href", "target", "rel", "title", "class", "type", "start", "style"}
SAFE_LINKS = ("http://", "https://", "mailto:")
SAFE_ATTRIBUTES |= {"data-copy", "aria-label"}


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


@given(st.text(st.sampled_from("<>&\"'`*_[]()!#|~\\/:=-+ \n\tabjs粗。，“”$"), max_size=120))
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


def test_code_keeps_its_space_and_has_a_copy_button() -> None:
    html = to_html("```python\nif a:\n    return '<b>'\n```", TEXTS)
    assert "if a:\n    return &#39;&lt;b&gt;&#39;" in html
    assert 'data-copy="code"' in html and ">python<" in html


def test_an_unfinished_code_block_is_one_already() -> None:
    assert "<pre><code>print(1)" in to_html("```python\nprint(1)", TEXTS)


def test_tables_and_lists() -> None:
    html = to_html("- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |", TEXTS)
    assert html.count("<li>") == 2 and "<td>2</td>" in html


def test_a_long_reply_is_rendered_quickly_and_whole() -> None:
    text = "\n\n".join(f"段落 {n} **粗体** and `code`." for n in range(400))
    html = to_html(text, TEXTS)
    assert html.count("<p>") == 400 and "段落 399" in html
