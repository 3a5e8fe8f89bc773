"""How the page is: quick, local, in two languages, light and dark, wide and narrow."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import App, engine_held_back, start_app
from tests.browser.hands import (
    SHORT,
    ask,
    asked,
    box,
    conversations,
    evidence,
    live,
    loaded,
    memory,
    opener,
    panel,
    patience,
    rail,
    replies,
    sender,
    strip,
    switch,
    write,
)

BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def test_no_request_leaves_the_machine(ready, open_page, reload) -> None:
    page = open_page()
    hosts = []
    page.context.on("request", lambda request: hosts.append(urlsplit(request.url)))
    reload(page)
    loaded(page)
    ask(page, "Show me a link and an image")
    assert hosts and {url.hostname for url in hosts if url.scheme != "data"} == {"127.0.0.1"}
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.includes('gradio'))") == []


def test_nothing_of_gradios_own_is_seen(page: Page) -> None:
    ask(page, SHORT)
    assert page.locator("footer:visible, .toast-wrap:visible, .progress-text:visible").count() == 0
    colours = page.evaluate(
        """() => [...document.querySelectorAll('#ec-shell *')].flatMap((element) => {
          const style = getComputedStyle(element);
          return [style.color, style.backgroundColor, style.borderColor];
        })"""
    )
    orange = re.compile(r"rgb\((2[3-5]\d), (8\d|9\d|1[0-2]\d), ([0-5]?\d)\)")
    assert not [colour for colour in colours if orange.search(colour)]


def test_the_language_changes_at_once_and_is_kept(page: Page, open_page) -> None:
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_role("button", name="发送")).to_be_visible()
    expect(switch(page)).to_contain_text("推测解码 开")
    expect(page.get_by_text("引擎就绪").first).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    other = open_page()
    expect(other.get_by_role("button", name="发送")).to_be_visible()
    other.get_by_role("button", name="English").click()
    expect(other.get_by_role("button", name="Send")).to_be_visible()


@pytest.mark.parametrize(("theme", "dark"), [("light", False), ("dark", True)])
def test_the_theme_is_the_systems_until_it_is_chosen(
    ready, open_page, theme: str, dark: bool
) -> None:
    page = open_page(theme=theme)
    shade = [int(part) for part in re.findall(r"\d+", page.evaluate(BACKGROUND))[:3]]
    assert (sum(shade) < 120) == dark


def test_light_and_dark_are_chosen_and_kept(page: Page, reload) -> None:
    light = page.evaluate(BACKGROUND)
    page.get_by_role("button", name="Dark", exact=True).click()
    page.wait_for_function(f"(light) => {BACKGROUND} !== light", arg=light)
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    reload(page)
    loaded(page)
    assert page.evaluate(BACKGROUND) != light
    page.get_by_role("button", name="Light", exact=True).click()
    page.wait_for_function(f"(light) => {BACKGROUND} === light", arg=light)


CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const lum = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const under = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > .99) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.getElementById('ec-shell'), NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const words = walk.currentNode.data.trim().slice(0, 20);
    if (!words || !element.checkVisibility({ opacityProperty: true })) continue;
    if (element.closest('.is-none, :disabled')) continue;
    const both = [lum(parse(getComputedStyle(element).color)), lum(under(element))];
    const ratio = (Math.max(...both) + .05) / (Math.min(...both) + .05);
    if (ratio < 4.5) found.push(`${words}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_all_text_can_be_read(page: Page, theme: str) -> None:
    page.get_by_role("button", name=theme, exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", theme.lower())
    ask(page, SHORT)
    switch(page).click()
    ask(page, SHORT)
    assert page.evaluate(CONTRAST) == []


def test_a_narrow_page(ready, open_page) -> None:
    page = open_page(size=(390, 844))
    ask(page, SHORT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(strip(page)).to_contain_text("tok/s")
    expect(page.get_by_text(re.compile(r"^memory .*GB$"))).to_be_visible()
    expect(panel(page)).to_be_hidden()
    strip(page).click()
    expect(panel(page)).to_be_visible()
    strip(page).click()
    expect(rail(page)).to_be_hidden()
    page.get_by_role("button", name="Open the list of conversations").click()
    expect(rail(page)).to_be_visible()
    opener(conversations(page).first).click()
    expect(rail(page)).to_be_hidden()
    place = sender(page).bounding_box()
    assert place["y"] + place["height"] <= 844


NOT_REACHED = """() => [...document.querySelectorAll('#ec-shell :is(button, summary, textarea)')]
  .filter((element) => element.checkVisibility() && !element.disabled)
  .filter((element) => {
    element.focus();
    const shown = element.tagName === 'TEXTAREA'  // its box shows it
      || getComputedStyle(element).outlineStyle === 'solid';
    return document.activeElement !== element || element.tabIndex < 0 || !shown;
  })
  .map((element) => element.outerHTML.slice(0, 90))"""


def test_the_keyboard_reaches_everything_and_shows_where_it_is(page: Page) -> None:
    ask(page, SHORT)
    box(page).focus()
    page.keyboard.press("Tab")
    expect(switch(page)).to_be_focused()
    assert page.evaluate(NOT_REACHED) == []


def test_the_memory_is_sampled_every_second(page: Page) -> None:
    beats = []
    page.on("response", lambda r: beats.append(time.monotonic()) if "pulse" in r.url else None)
    page.wait_for_function("() => (window.beats = (window.beats ?? 0) + 1) > 200")
    for _ in range(4):
        page.wait_for_event("response", lambda response: "pulse" in response.url)
    gaps = [after - before for before, after in zip(beats[-4:], beats[-3:], strict=False)]
    assert max(gaps) < 3
    for name in ("main", "scheduler", "detokenizer"):
        expect(memory(page)).to_contain_text(f"Engine, {name}")


def test_the_page_is_there_long_before_the_engine(browser, tmp_path: Path) -> None:
    """From the start of the process to a page that can be typed into; and a message that
    was typed at once is neither lost nor sent twice."""
    started = time.monotonic()
    app = start_app(tmp_path)
    try:
        page = browser.new_page()
        with engine_held_back(app):
            page.goto(app.door, wait_until="commit")
            write(page, "early")
            took = time.monotonic() - started
            page.keyboard.press("Enter")
            expect(asked(page)).to_have_text("early")
            expect(live(page)).to_contain_text("Kept.")
            expect(box(page)).to_have_value("")
            assert "is-ready" not in app.pulse()["foot"]
        app.wait("ready")
        expect(evidence(replies(page))).to_contain_text("tok/s")
        expect(asked(page)).to_have_count(1)
        resident = psutil.Process(app.process.pid).memory_info().rss
        print(f"usable after {took:.2f} s, {resident / 1e6:.0f} MB")
        assert took < 2 * patience()
        assert resident < 500e6
    finally:
        app.stop()
    assert app.process.returncode == 0


def test_a_taken_port_is_passed_over_and_two_apps_share_no_data(app, tmp_path: Path) -> None:
    second = start_app(app.data_dir)
    assert second.process.wait(20) == 0 and second.url == app.url
    port = urlsplit(app.url).port
    other = start_app(tmp_path, port=port)
    try:
        assert f"Port {port} is taken" in other.said[0]
        assert urlsplit(other.url).port != port
    finally:
        other.stop()


def test_without_the_key_the_page_asks_for_it(app: App, browser: Browser) -> None:
    key = app.door.rpartition("=")[2]
    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        page.goto(app.url)
        page.get_by_label("Key of this page").fill("no")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("alert")).to_have_text("That is not the key.")
        page.get_by_label("Key of this page").fill(key)
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("textbox", name="Message")).to_be_visible()
        assert "key" not in page.url


def test_what_was_said_is_found_and_gone_to(ready: App, page: Page) -> None:
    ask(page, "What is a needle?")
    for _ in range(3):
        ask(page, SHORT)
    page.get_by_role("button", name="New conversation").click()
    page.get_by_role("searchbox").fill("needle")
    page.locator("#ec-found").get_by_text("What is a needle?").first.click()
    expect(page.get_by_label("You", exact=True).filter(has_text="needle")).to_be_in_viewport()
    page.get_by_role("searchbox").press("Escape")
    expect(page.get_by_role("navigation", name="Conversations")).to_be_visible()
