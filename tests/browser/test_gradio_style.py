"""Our style sheet for what is Gradio's still names things that Gradio's page has."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from chatapp import locations

# What Gradio shows only at times, and we never: while it loads, waits, or reports.
SOMETIMES = {".loading", ".toast-wrap", ".progress-text", ".eta-bar", "footer", ".default"}
OURS = re.compile(r"[#.]ec-")


def selectors() -> list[str]:
    sheet = (locations.assets() / "css" / "gradio.css").read_text("utf-8")
    sheet = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    heads = " , ".join(re.findall(r"([^{}]+)\{", sheet))
    return [one.strip() for one in re.split(r",(?![^(]*\))", heads)]


def test_every_name_of_gradios_is_on_its_page_or_in_its_styles(page: Page) -> None:
    theirs = [one for one in selectors() if not OURS.search(one)]
    assert ".gradio-container .html-container" in theirs
    seldom = [one for one in theirs if SOMETIMES & set(re.findall(r"[.]?[\w-]+", one))]
    missing = "all => all.filter(one => !document.querySelector(one))"
    assert page.evaluate(missing, [one for one in theirs if one not in seldom]) == []
    styles = page.evaluate(
        "async () => (await Promise.all([...document.querySelectorAll('link[rel=stylesheet]')]"
        ".map(async link => (await fetch(link.href)).text()))).join('')"
    )
    sources = styles + page.evaluate(
        "async () => (await Promise.all(performance.getEntriesByType('resource')"
        ".filter(one => /assets\\/.*\\.js/.test(one.name))"
        ".map(async one => (await fetch(one.name)).text()))).join('')"
    )
    names = {name.lstrip(".") for one in seldom for name in re.findall(r"[.]?[\w-]+", one)}
    assert [name for name in sorted(names) if name not in sources] == []
