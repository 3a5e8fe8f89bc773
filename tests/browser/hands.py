"""What a person does on the page, where they find it, and what they wait for. No sleeps.

Things are found as a person finds them, by role and name, in either language of the page.
"""

from __future__ import annotations

import os
import re

from playwright.sync_api import Locator, Page, expect

from chatapp.texts import LANGUAGES, Texts

LONG = "Tell me a short story."
SHORT = "Hello"
REPLY_MS = 180_000


def named(key: str) -> re.Pattern[str]:
    """The text ``key`` in any language of the page, as the beginning of a name."""
    return re.compile("|".join(f"^{re.escape(Texts(language)(key))}" for language in LANGUAGES))


def loaded(page: Page) -> None:
    """The page is Gradio's, no longer the one that is there before it."""
    page.wait_for_selector("#ec-first", state="detached")


# Where things are


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name=named("page.composer.label"))


def sender(page: Page) -> Locator:
    return page.get_by_role("button", name=named("page.composer.send"))


def stopper(page: Page) -> Locator:
    return page.get_by_role("button", name=named("page.composer.stop"))


def switch(page: Page) -> Locator:
    return page.get_by_role("switch", name=named("page.composer.switch"))


def rail(page: Page) -> Locator:
    """The list of conversations."""
    return page.get_by_role("navigation", name=named("page.rail.list"))


def conversations(page: Page) -> Locator:
    """Its rows, the newest first."""
    return rail(page).get_by_role("listitem")


def opener(row: Locator) -> Locator:
    """What opens the conversation of a row."""
    return row.get_by_role("button").first


def empty(page: Page) -> Locator:
    """What a conversation shows in which nothing was said yet."""
    return page.get_by_role("heading", name=named("page.empty.title"))


def asked(page: Page) -> Locator:
    """What the person said, in order."""
    return page.get_by_role("article", name=named("page.message.you"))


def replies(page: Page) -> Locator:
    """The replies that have ended, in order."""
    every = page.get_by_role("article", name=named("page.message.reply"))
    return every.and_(page.locator(":not([aria-busy])"))


def live(page: Page) -> Locator:
    """The reply that is being written, or waits."""
    every = page.get_by_role("article", name=named("page.message.reply"))
    return every.and_(page.locator("[aria-busy]"))


def words(reply: Locator) -> Locator:
    """What a reply says, without what is said of it."""
    return reply.locator(".ec-md")


def evidence(reply: Locator) -> Locator:
    """The line of figures under a reply."""
    return reply.get_by_role("group", name=named("page.evidence.label"))


def panel(page: Page) -> Locator:
    """The figures at the right."""
    return page.get_by_role("region", name=named("page.figures.title"))


def memory(page: Page) -> Locator:
    """What holds the memory: of the card where there is one, else of the machine."""
    title = re.compile(f"{named('page.memory.vram').pattern}|{named('page.memory.title').pattern}")
    return page.get_by_role("region", name=title).first


def strip(page: Page) -> Locator:
    """The figures in one line, on a narrow page."""
    return page.get_by_role("button", name=named("page.head.panel"))


# What is done


def write(page: Page, text: str) -> None:
    box(page).fill(text)


def send(page: Page, text: str) -> None:
    write(page, text)
    box(page).press("Enter")


def look(page: Page, view: str) -> None:
    """Goes to one of the views: Chat, Compare, Benchmark, Models."""
    views = page.get_by_role("navigation", name=named("compare.views"))
    views.get_by_role("button", name=view).click()


def wait_for_words(page: Page) -> None:
    """A reply is being written and there is something of it."""
    expect(words(live(page))).to_have_text(re.compile(r"\S.{3,}"), timeout=REPLY_MS)


def wait_for_end(page: Page, count: int | None = None) -> Locator:
    """The reply has ended; gives it."""
    if count is not None:
        expect(replies(page)).to_have_count(count, timeout=REPLY_MS)
    expect(sender(page)).to_be_visible(timeout=REPLY_MS)
    expect(live(page)).to_have_count(0, timeout=REPLY_MS)
    return replies(page).last


def ask(page: Page, text: str) -> Locator:
    """Send ``text`` and wait for the whole reply."""
    before = replies(page).count()
    send(page, text)
    expect(asked(page).last).to_contain_text(text[:40])
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
    """One of the panel's figures by its label; None while it is a dash."""
    term = page.get_by_role("term").filter(has_text=named(name))
    text = panel(page).locator("div").filter(has=term).get_by_role("definition").inner_text()
    return None if text == "—" else number(text)
