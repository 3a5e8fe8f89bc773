"""Step view, comparison and auto toggle on the real page, with the real engine."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import App
from tests.browser.hands import (
    LONG,
    SHORT,
    ask,
    evidence,
    figure,
    loaded,
    look,
    number,
    panel,
    replies,
    switch,
    words,
)


def test_a_reply_step_by_step_and_back(page: Page) -> None:
    reply = ask(page, SHORT)
    said = words(reply).inner_text()
    reply.get_by_role("button", name="Step by step").click()
    steps = replies(page).last.get_by_role("group", name="The reply by verify steps")
    expect(steps).to_be_visible()
    flat = re.sub(r"[\s*`#>-]+", "", steps.inner_text())
    assert re.sub(r"[\s*`#>-]+", "", said) in flat or flat in re.sub(r"\s+", "", said)
    tip = replies(page).last.get_by_role("status")
    steps.locator("[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("ms")
    assert "ids" in tip.inner_text()
    replies(page).last.get_by_role("button", name="As text").click()
    expect(words(replies(page).last)).to_be_visible()
    assert words(replies(page).last).inner_text() == said


def test_what_is_shown_follows_from_the_stream_in_the_export(page: Page) -> None:
    reply = ask(page, LONG)
    page.get_by_label("Export this conversation").click()
    with page.expect_download() as exported:
        page.get_by_role("link", name="JSON").click()
    trace = json.loads(Path(exported.value.path()).read_text("utf-8"))["messages"][-1]["trace"]
    lengths, (first, *_, last) = trace["step_lengths"], trace["arrivals"]
    tokens, steps = len(trace["token_ids"]), len(lengths)
    assert sum(lengths) == tokens - 1  # the first token is the prefill's
    speed = (last[1] - first[1]) / (last[0] - first[0])
    line = evidence(reply)
    expect(line).to_contain_text(f"{sum(lengths) / steps:.2f} tokens a step")
    expect(line).to_contain_text(f"{tokens} tokens / {steps} steps")
    expect(line).to_contain_text(f"first token {first[0]:.2f} s")
    assert abs(number(line.inner_text().split("speculation on")[1]) - speed) <= 0.51
    assert figure(page, "page.figures.accept") == round(sum(lengths) / steps, 2)
    for length in set(lengths):
        bar = f"{lengths.count(length)} steps gained {length}"
        expect(panel(page).get_by_title(bar, exact=True)).to_have_count(1)


def test_a_turn_is_compared_and_the_chat_lives_on(ready: App, page: Page) -> None:
    ask(page, SHORT)
    reply = replies(page).last
    reply.hover()
    reply.get_by_role("button", name="Compare").click()
    pane = page.get_by_role("region", name="Comparison")
    expect(pane).to_contain_text(f"up to: {SHORT}")
    pane.get_by_label("rounds").select_option("1")
    pane.get_by_label("at most tokens").select_option("64")
    pane.get_by_role("button", name="Compare", exact=True).click()
    expect(pane.get_by_role("button", name="Race again")).to_be_visible(timeout=120_000)
    expect(pane.get_by_role("article")).to_have_count(2)
    speedup, same = pane.get_by_role("definition").all()[:2]
    expect(same).to_have_text("identical")
    # The speed-up is the quotient of the two speeds in the table.
    on, off = (
        number(pane.get_by_role("row", name=f"{side} ").get_by_role("cell").first.inner_text())
        for side in ("on", "off")
    )
    assert abs(number(speedup.inner_text()) - on / off) < 0.1 * on / off
    link = pane.get_by_role("link", name="JSON").get_attribute("href")
    kept = ready.get(link).json()
    assert [message[1] for message in kept["messages"]] == [SHORT] and len(kept["runs"]) == 2
    look(page, "Chat")
    expect(replies(page)).to_have_count(1)


def test_auto_is_kept_and_says_what_it_chose(page: Page, reload) -> None:
    auto = page.get_by_role("button", name="Auto")
    auto.click()
    expect(auto).to_have_attribute("aria-pressed", "true")
    reply = ask(page, SHORT)
    expect(reply).to_contain_text("auto chose")
    reload(page)
    loaded(page)
    expect(auto).to_have_attribute("aria-pressed", "true")
    switch(page).click()
    expect(auto).to_have_attribute("aria-pressed", "false")
