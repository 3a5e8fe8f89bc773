"""The engine dies under the page: it says so, loses nothing, and starts again."""

from __future__ import annotations

import psutil
from playwright.sync_api import Page, expect

from tests.browser.hands import LONG, replies, send, wait_for_end, wait_for_words


def scheduler(app) -> psutil.Process:
    """The engine's working process: a grandchild of the app that says so itself."""
    for process in psutil.Process(app.process.pid).children(recursive=True):
        if "scheduler" in " ".join(process.cmdline()):
            return process
    raise AssertionError("no scheduler found")


def test_an_engine_that_was_killed_is_started_again_from_the_page(ready, page: Page) -> None:
    send(page, LONG)
    wait_for_words(page)
    scheduler(ready).kill()
    card = page.locator("#ec-card [role=alert]")
    expect(card).to_be_visible(timeout=15_000)
    assert len(card.locator("p").inner_text()) > 20
    reply = wait_for_end(page, 1)
    assert len(reply.locator(".ec-md").inner_text()) > 3
    card.get_by_text("Engine log").click()
    expect(card.locator("pre")).not_to_be_empty()

    send(page, "still here?")
    expect(page.locator("#ec-pane-live .ec-note")).to_contain_text("as soon as the engine is ready")
    card.get_by_role("button", name="Start the engine").click()
    expect(card).to_have_count(0, timeout=15_000)
    expect(page.locator("#ec-foot")).to_contain_text("Engine starting", timeout=15_000)
    expect(page.locator("#ec-engine .ec-timeline .is-current")).to_have_count(1)
    ready.wait("ready")
    reply = wait_for_end(page, 2)
    assert "tok/s" in reply.locator(".ec-evidence").inner_text()
    assert replies(page).count() == 2
