"""What a person does on the page, and what they wait for. No sleeps."""

from __future__ import annotations

import os
import re

from playwright.sync_api import Locator, Page, expect

LONG = "Tell me a short story."
SHORT = "Hello"
REPLY_MS = 180_000


def write(page: Page, text: str) -> None:
    page.locator("#ec-input").fill(text)


def send(page: Page, text: str) -> None:
    write(page, text)
    page.locator("#ec-input").press("Enter")


def live(page: Page) -> Locator:
    return page.locator("#ec-pane-live article")


def replies(page: Page) -> Locator:
    return page.locator("#ec-pane-transcript .ec-reply")


def wait_for_words(page: Page) -> None:
    """A reply is being written and there is something of it."""
    page.wait_for_function(
        "() => document.querySelector('#ec-pane-live .ec-md')?.textContent.trim().length > 3",
        timeout=REPLY_MS,
    )


def wait_for_end(page: Page, count: int | None = None) -> Locator:
    """The reply has ended; gives it."""
    if count is not None:
        expect(replies(page)).to_have_count(count, timeout=REPLY_MS)
    expect(page.locator("#ec-send")).to_have_attribute("data-send", "send", timeout=REPLY_MS)
    expect(live(page)).to_have_count(0, timeout=REPLY_MS)
    return replies(page).last


def ask(page: Page, text: str) -> Locator:
    """Send ``text`` and wait for the whole reply."""
    before = replies(page).count()
    send(page, text)
    expect(page.locator("#ec-pane-transcript .ec-user").last).to_contain_text(text[:40])
    return wait_for_end(page, before + 1)


def patience() -> float:
    """How much longer than on a machine that does nothing else things may take now."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def number(text: str) -> float:
    """The first number in ``text``."""
    found = re.search(r"\d[\d,]*\.?\d*", text)
    assert found, text
    return float(found[0].replace(",", ""))


def figure(page: Page, name: str) -> float | None:
    """One of the two large figures; None while it is a dash."""
    text = page.locator(f"#ec-{name}").inner_text()
    return None if text == "—" else number(text)
