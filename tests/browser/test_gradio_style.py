"""One style sheet of ours names what is Gradio's, and what it names is on Gradio's page."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from chatapp import locations

CSS = locations.assets() / "css"
# What Gradio shows only at times, and we never: while it loads, waits, or reports.
SOMETIMES = {".loading", ".default", ".toast-wrap", ".progress-text", ".eta-bar", "footer"}
LOADING = "gradio-app > .wrap"
NAME = re.compile(r"[.]?[a-z][\w-]*")
LOADED = """() => Promise.all(performance.getEntriesByType('resource')
  .filter(one => /assets\\/.*\\.(js|css)/.test(one.name))
  .map(one => fetch(one.name).then(answer => answer.text()))).then(texts => texts.join(''))"""


def selectors(sheet: str) -> list[str]:
    text = re.sub(r"/\*.*?\*/", "", (CSS / f"{sheet}.css").read_text("utf-8"), flags=re.DOTALL)
    heads = ",".join(re.findall(r"([^{}]+)\{", text))
    return [one.strip() for one in re.split(r",(?![^(]*\))", heads)]


def theirs(selector: str) -> set[str]:
    """The names of Gradio's in it: classes that are not ours, and its element."""
    ours = re.sub(r"#[\w-]+|[.]ec-[\w-]+", "", selector)
    return {name for name in NAME.findall(ours) if name[0] == "." or name == "gradio-app"}


def test_what_our_style_sheet_names_is_on_gradios_page(page: Page) -> None:
    named = [one for one in selectors("gradio") if theirs(one)]
    seldom = {name for one in named for name in SOMETIMES & set(NAME.findall(one))}
    always = [one for one in named if not SOMETIMES & set(NAME.findall(one)) and one != LOADING]
    assert len(always) > 8 and seldom == SOMETIMES and LOADING in named
    assert page.evaluate("all => all.filter(one => !document.querySelector(one))", always) == []
    loaded = page.evaluate(LOADED)
    assert [name for name in sorted(seldom) if name.lstrip(".") not in loaded] == []


def test_no_other_sheet_names_anything_of_gradios() -> None:
    known = {name for one in selectors("gradio") for name in theirs(one)}
    assert ".html-container" in known and "gradio-app" in known
    others = [path.stem for path in CSS.glob("*.css") if path.stem != "gradio"]
    assert {one: known & theirs(one) for sheet in others for one in selectors(sheet)
            if known & theirs(one)} == {}  # fmt: skip
