"""Step view, comparison and auto toggle on the real page, with the real engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import App
from tests.browser.hands import LONG, SHORT, ask, figure, number, replies


def look(page: Page, view: str) -> None:
    page.locator(f".ec-tabs [data-view={view}]").click()


def test_a_reply_step_by_step_and_back(page: Page) -> None:
    reply = ask(page, SHORT)
    words = reply.locator(".ec-md").inner_text()
    reply.locator("[data-act=steps]").click()
    steps = replies(page).last.locator(".ec-stepped")
    expect(steps).to_be_visible()
    flat = re.sub(r"[\s*`#>-]+", "", steps.inner_text())
    assert re.sub(r"[\s*`#>-]+", "", words) in flat or flat in re.sub(r"\s+", "", words)
    tip = replies(page).last.locator(".ec-tip")
    steps.locator(".ec-step").first.focus()
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("ms")
    assert "ids" in tip.inner_text()
    replies(page).last.locator("[data-act=steps]").click()
    expect(replies(page).last.locator(".ec-md")).to_have_text(reply.locator(".ec-md").inner_text())


def test_what_is_shown_follows_from_the_stream_in_the_export(page: Page) -> None:
    reply = ask(page, LONG)
    page.locator(".ec-menu summary").click()
    with page.expect_download() as exported:
        page.locator(".ec-menu a[href$='.json']").click()
    trace = json.loads(Path(exported.value.path()).read_text("utf-8"))["messages"][-1]["trace"]
    lengths, (first, *_, last) = trace["step_lengths"], trace["arrivals"]
    tokens, steps = len(trace["token_ids"]), len(lengths)
    assert sum(lengths) == tokens - 1  # the first token is the prefill's
    speed = (last[1] - first[1]) / (last[0] - first[0])
    line = reply.locator(".ec-evidence")
    expect(line).to_contain_text(f"{sum(lengths) / steps:.2f} tokens a step")
    expect(line).to_contain_text(f"{tokens} tokens / {steps} steps")
    expect(line).to_contain_text(f"first token {first[0]:.2f} s")
    assert abs(number(line.locator("b").first.inner_text()) - speed) <= 0.51
    assert figure(page, "accept") == round(sum(lengths) / steps, 2)
    for length in set(lengths):
        bar = f"{lengths.count(length)} steps gained {length}"
        expect(page.locator(f".ec-histogram [title='{bar}']")).to_have_count(1)


def test_a_turn_is_compared_and_the_chat_lives_on(ready: App, page: Page) -> None:
    ask(page, SHORT)
    reply = replies(page).last
    reply.hover()
    reply.locator("[data-what=until]").click()
    pane = page.locator("#ec-compare")
    expect(pane.locator(".ec-until b")).to_have_text(SHORT)
    pane.locator("select[name=rounds]").select_option("1")
    pane.locator("select[name=tokens]").select_option("64")
    pane.locator("[data-submit=compare]").click()
    expect(pane.locator("[data-race]")).to_be_visible(timeout=120_000)
    expect(pane.locator(".ec-lane")).to_have_count(2)
    figures = pane.locator(".ec-cards dd")
    assert number(figures.nth(0).inner_text()) > 0
    expect(figures.nth(1)).to_have_text("identical")
    # The speed-up is the quotient of the two speeds in the table.
    speeds = pane.locator(".ec-table-wide td:nth-child(2)")
    on, off = (number(speeds.nth(row).inner_text()) for row in (0, 1))
    assert abs(number(figures.nth(0).inner_text()) - on / off) < 0.1 * on / off
    link = pane.locator("a[href*='.json']").get_attribute("href")
    kept = ready.get(link).json()
    assert [message[1] for message in kept["messages"]] == [SHORT] and len(kept["runs"]) == 2
    look(page, "chat")
    expect(replies(page)).to_have_count(1)


def test_auto_is_kept_and_says_what_it_chose(page: Page, reload) -> None:
    auto = page.locator(".ec-auto")
    auto.click()
    expect(auto).to_have_attribute("aria-pressed", "true")
    reply = ask(page, SHORT)
    expect(reply.locator(".ec-choice")).to_contain_text("auto chose")
    reload(page)
    page.wait_for_selector("#ec-first", state="detached")
    expect(page.locator(".ec-auto")).to_have_attribute("aria-pressed", "true")
    page.locator("#ec-switch").click()
    expect(page.locator(".ec-auto")).to_have_attribute("aria-pressed", "false")
