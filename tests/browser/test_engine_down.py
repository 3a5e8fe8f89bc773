"""The engine dies under the page: it says so, loses nothing, and starts again."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import scheduler
from tests.browser.hands import LONG, replies, send, wait_for_end, wait_for_words


def test_an_engine_that_was_killed_is_started_again_from_the_page(ready, page: Page) -> None:
    send(page, LONG)
    wait_for_words(page)
    scheduler(ready).kill()
    card = page.locator("#ec-card [role=alert]")
    expect(card).to_be_visible()
    assert len(card.locator("p").inner_text()) > 20
    reply = wait_for_end(page, 1)
    assert len(reply.locator(".ec-md").inner_text()) > 3
    card.get_by_text("Engine log").click()
    expect(card.locator("pre")).not_to_be_empty()

    send(page, "still here?")
    expect(page.locator("#ec-pane-live .ec-note")).to_contain_text("as soon as the engine is ready")
    card.get_by_role("button", name="Start the engine").click()
    expect(card).to_have_count(0)
    expect(page.locator("#ec-foot")).to_contain_text("Engine starting")
    expect(page.locator("#ec-engine .ec-timeline .is-current")).to_have_count(1)
    ready.wait("ready")
    reply = wait_for_end(page, 2)
    assert "tok/s" in reply.locator(".ec-evidence").inner_text()
    assert replies(page).count() == 2
