"""The engine dies under the page: it says so, loses nothing, and comes back by itself."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import scheduler
from tests.browser.hands import LONG, replies, send, wait_for_end, wait_for_words


def test_an_engine_that_was_killed_comes_back_and_the_reply_is_offered_again(
    ready, page: Page
) -> None:
    send(page, LONG)
    wait_for_words(page)
    scheduler(ready).kill()
    card = page.locator("#ec-card").get_by_role("alert")
    expect(card).to_contain_text("starting again by itself")
    expect(card.get_by_role("button", name="Start the engine")).to_have_count(0)
    reply = wait_for_end(page, 1)
    written = reply.locator(".ec-md").inner_text()
    assert len(written) > 3
    card.get_by_text("Engine log").click()
    expect(card.locator("pre")).not_to_be_empty()

    expect(page.locator("#ec-foot")).to_contain_text("Engine starting")
    expect(page.locator("#ec-engine .ec-timeline .is-current")).to_have_count(1)
    reply.get_by_role("button", name="Answer again").click()
    expect(page.locator("#ec-pane-live .ec-note")).to_contain_text("as soon as the engine is ready")
    ready.wait("ready")
    expect(card).to_have_count(0)
    reply = wait_for_end(page, 1)
    assert "tok/s" in reply.locator(".ec-evidence").inner_text()
    assert len(reply.locator(".ec-md").inner_text()) > len(written)
    assert replies(page).count() == 1
