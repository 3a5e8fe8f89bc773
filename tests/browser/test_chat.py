"""Chatting with the real engine, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from chatapp.chat.language import detect
from tests.browser.hands import (
    LONG,
    SHORT,
    ask,
    figure,
    live,
    number,
    patience,
    replies,
    send,
    wait_for_end,
    wait_for_words,
    write,
)


@pytest.mark.parametrize(
    ("locale", "text", "language"),
    [("zh-CN", "你好，你是谁？", "zh"), ("en-US", "Hello, who are you?", "en")],
    ids=["zh", "en"],
)
def test_a_chat_in_either_language(ready, open_page, locale: str, text: str, language: str) -> None:
    page = open_page(locale=locale)
    page.get_by_role("button", name="中文" if language == "zh" else "English").click()
    expect(page.locator("html")).to_have_attribute("lang", re.compile(language))
    reply = ask(page, text)
    assert detect(reply.locator(".ec-md").inner_text()) == language
    evidence = reply.locator(".ec-evidence").inner_text()
    assert "tok/s" in evidence
    assert ("推测解码 开" if language == "zh" else "speculation on") in evidence


def test_the_figures_move_while_a_reply_streams_and_stay_with_it(slow, page: Page) -> None:
    send(page, LONG)
    page.wait_for_function(
        """() => {
          window.seen ??= new Set();
          const tokens = document.querySelector('#ec-pane-live .ec-evidence')?.textContent;
          if (tokens && document.querySelector('#ec-accept').textContent !== '—') seen.add(tokens);
          return seen.size >= 2;
        }"""
    )
    reply = wait_for_end(page)
    evidence = reply.locator(".ec-evidence").inner_text()
    tokens, steps = map(int, re.search(r"(\d+) tokens / (\d+) steps", evidence).groups())
    accept = number(re.search(r"([\d.]+)\s+tokens a step", evidence)[1])
    assert accept == pytest.approx((tokens - 1) / steps, abs=0.01)  # the prefill gave the first
    assert figure(page, "accept") == accept
    assert figure(page, "speed") == number(evidence.split("speculation on")[1])
    bars = page.locator(".ec-histogram li")
    titles = [bar.get_attribute("title") for bar in bars.all()]
    gained = [re.match(r"(\d+) steps gained (\d+)", title).groups() for title in titles]
    assert sum(int(count) for count, _ in gained) == steps
    assert sum(int(count) * int(length) for count, length in gained) == tokens - 1
    assert page.locator(".ec-steps i").count() == min(steps, 40)


def test_speculation_off_is_off_and_says_so(page: Page, reload) -> None:
    toggle = page.get_by_role("switch")
    expect(toggle).to_have_attribute("aria-checked", "true")
    toggle.click()
    expect(toggle).to_have_attribute("aria-checked", "false")
    expect(toggle).to_contain_text("speculation off")
    reply = ask(page, SHORT)
    evidence = reply.locator(".ec-evidence").inner_text()
    assert "speculation off" in evidence and "a step" not in evidence and "steps" not in evidence
    assert figure(page, "accept") is None
    expect(page.locator(".is-current .ec-dot.is-off")).to_have_count(1)
    reload(page)
    page.wait_for_selector("#ec-first", state="detached")
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    page.get_by_role("switch").click()
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    assert "speculation on" in ask(page, SHORT).locator(".ec-evidence").inner_text()


def test_the_toggle_in_the_middle_of_a_reply_counts_from_the_next(slow, page: Page) -> None:
    send(page, LONG)
    wait_for_words(page)
    page.get_by_role("switch").click()
    expect(page.locator(".ec-hint")).to_have_text("counts from the next message")
    expect(live(page).locator(".ec-tag")).to_contain_text("speculation on")
    reply = wait_for_end(page)
    assert "speculation on" in reply.locator(".ec-evidence").inner_text()
    assert "speculation off" in ask(page, SHORT).locator(".ec-evidence").inner_text()


def test_stop_is_quick_and_keeps_what_was_written(slow, page: Page, reload) -> None:
    send(page, LONG)
    wait_for_words(page)
    took = page.evaluate(
        """() => new Promise((done) => {
          const from = performance.now();
          const look = () => document.querySelector('#ec-pane-live article')
            ? requestAnimationFrame(look) : done(performance.now() - from);
          document.getElementById('ec-send').click();
          look();
        })"""
    )
    reply = wait_for_end(page)
    kept = reply.locator(".ec-md").inner_text()
    assert len(kept) > 3
    expect(reply.locator(".ec-note")).to_contain_text("What was written stays")
    print(f"stop took {took:.0f} ms")
    assert took < 200 * patience()
    reload(page)
    page.wait_for_selector("#ec-first", state="detached")
    assert replies(page).last.locator(".ec-md").inner_text() == kept


def test_what_was_said_survives_a_reload(page: Page, reload) -> None:
    reply = ask(page, SHORT)
    text = reply.locator(".ec-md").inner_text()
    evidence = reply.locator(".ec-evidence").inner_text()
    reload(page)
    page.wait_for_selector("#ec-first", state="detached")
    again = replies(page).last
    assert again.locator(".ec-md").inner_text() == text
    assert again.locator(".ec-evidence").inner_text() == evidence


def test_closing_the_tab_stops_the_reply(slow, page: Page, open_page) -> None:
    send(page, LONG)
    wait_for_words(page)
    page.close()
    again = open_page()  # on a new conversation: a tab that shows the old one would keep it going
    expect(again.locator(".ec-list .is-running")).to_have_count(0)
    again.locator(".ec-list .ec-open").first.click()
    reply = wait_for_end(again)
    expect(reply).to_have_class(re.compile("is-stopped"))
    assert len(reply.locator(".ec-md").inner_text()) > 3


def test_a_reply_goes_on_while_another_conversation_is_read(slow, page: Page) -> None:
    send(page, LONG)
    wait_for_words(page)
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".ec-empty")).to_be_visible()
    expect(live(page)).to_have_count(0)
    page.locator(".ec-list .ec-open").first.click()
    expect(page.locator(".ec-user")).to_have_text(LONG)
    reply = wait_for_end(page, 1)
    expect(reply).to_have_class(re.compile("is-finished"))


def test_answer_again_and_copy(page: Page) -> None:
    ask(page, SHORT)
    page.get_by_role("button", name="Answer again").click()
    reply = wait_for_end(page, 1)
    reply.hover()
    reply.get_by_role("button", name="Copy").click()
    expect(reply.locator("[data-copy]")).to_have_text("Copied")
    raw = reply.locator("[data-raw]").get_attribute("data-raw")
    assert raw and page.evaluate("navigator.clipboard.readText()") == raw


def test_two_tabs_see_each_other(slow, page: Page, open_page) -> None:
    other = open_page()
    ask(page, "Good morning")
    expect(other.locator(".ec-list .ec-open").first).to_contain_text("Good morning")
    other.locator(".ec-list .ec-open").first.click()
    expect(replies(other)).to_have_count(1)
    send(page, LONG)
    expect(live(other)).to_have_count(1)
    wait_for_end(page, 2)
    wait_for_end(other, 2)


def test_rename_and_delete(page: Page) -> None:
    ask(page, "Good evening")
    item = page.locator(".ec-item.is-current")
    item.hover()
    item.get_by_role("button", name=re.compile("^Rename")).click()
    page.get_by_role("textbox", name="Title").fill("Evenings <b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Evenings <b>")
    count = page.locator(".ec-item").count()
    item.hover()
    item.get_by_role("button", name=re.compile("^Delete")).click()
    expect(page.locator("#ec-remove")).to_contain_text("Delete “Evenings <b>”?")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".ec-item")).to_have_count(count)
    item.hover()
    item.get_by_role("button", name=re.compile("^Delete")).click()
    page.locator("#ec-remove").get_by_role("button", name="Delete").click()
    expect(page.locator(".ec-item")).to_have_count(count - 1)
    expect(page.locator(".ec-empty")).to_be_visible()


def test_a_new_conversation_with_the_keyboard(page: Page) -> None:
    ask(page, SHORT)
    page.keyboard.press("Control+k")
    expect(page.locator(".ec-empty")).to_be_visible()
    expect(page.locator("#ec-input")).to_be_focused()
    write(page, "not yet sent")
    page.locator(".ec-list .ec-open").first.click()
    expect(page.locator("#ec-input")).to_have_value("")
    page.keyboard.press("Control+k")
    expect(page.locator("#ec-input")).to_have_value("not yet sent")
