"""The engine dies under the page: it says so, loses nothing, and comes back by itself."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import scheduler
from tests.browser.hands import (
    LONG,
    evidence,
    live,
    replies,
    send,
    wait_for_end,
    wait_for_words,
    words,
)


def test_an_engine_that_was_killed_comes_back_and_the_reply_is_offered_again(
    ready, page: Page
) -> None:
    send(page, LONG)
    wait_for_words(page)
    scheduler(ready).kill()
    card = page.get_by_role("alert").filter(has_text="Engine log")
    expect(card).to_contain_text("starting again by itself")
    expect(card.get_by_role("button", name="Start the engine")).to_have_count(0)
    reply = wait_for_end(page, 1)
    written = words(reply).inner_text()
    assert len(written) > 3
    card.get_by_text("Engine log").click()
    expect(card.get_by_role("group")).to_contain_text(re.compile(r"Engine log\s*\S+"))

    expect(page.get_by_text("Engine starting").first).to_be_visible()
    phase = page.get_by_label("Start-up").locator("[aria-current=step]")
    expect(phase.first).to_be_attached()  # in its fold
    reply.get_by_role("button", name="Answer again").click()
    expect(live(page)).to_contain_text("as soon as the engine is ready")
    ready.wait("ready")
    expect(card).to_have_count(0)
    reply = wait_for_end(page, 1)
    assert "tok/s" in evidence(reply).inner_text()
    assert len(words(reply).inner_text()) > len(written)
    assert replies(page).count() == 1
