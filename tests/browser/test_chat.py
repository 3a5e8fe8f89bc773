"""Chatting with the real engine, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from chatapp.chat.language import detect
from chatapp.texts import Texts
from tests.browser.hands import (
    LONG,
    SHORT,
    ask,
    asked,
    box,
    conversations,
    empty,
    evidence,
    figure,
    live,
    loaded,
    number,
    opener,
    panel,
    patience,
    rail,
    replies,
    send,
    stopper,
    switch,
    wait_for_end,
    wait_for_words,
    words,
    write,
)

COUNTED = re.compile(r"(\d+) tokens / (\d+) steps")


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
    assert detect(words(reply).inner_text()) == language
    line = evidence(reply).inner_text()
    assert Texts(language)("page.evidence.step_after") in line
    assert ("推测解码 开" if language == "zh" else "speculation on") in line


def test_the_figures_move_while_a_reply_streams_and_stay_with_it(slow, page: Page) -> None:
    send(page, LONG)
    moving = evidence(live(page))
    expect(moving).to_contain_text(COUNTED)
    seen = COUNTED.search(moving.inner_text())[0]
    expect(moving).not_to_contain_text(re.compile(rf"\b{seen}"))
    expect(moving).to_contain_text(COUNTED)  # it is still being written
    reply = wait_for_end(page)
    line = evidence(reply).inner_text()
    tokens, steps = map(int, COUNTED.search(line).groups())
    accept = number(re.search(r"([\d.]+)\s+tokens a step", line)[1])
    assert accept == pytest.approx((tokens - 1) / steps, abs=0.01)  # the prefill gave the first
    assert figure(page, "page.figures.accept") == accept
    assert figure(page, "page.figures.speed") == number(line.split("speculation on")[1])
    bars = panel(page).get_by_title("steps gained")
    titles = [bar.get_attribute("title") for bar in bars.all()]
    gained = [re.match(r"(\d+) steps gained (\d+)", title).groups() for title in titles]
    assert sum(int(count) for count, _ in gained) == steps
    assert sum(int(count) * int(length) for count, length in gained) == tokens - 1
    drawn = panel(page).get_by_role("img", name="Tokens gained at each verify step")
    assert drawn.locator("i").count() == min(steps, 40)


def test_speculation_off_is_off_and_says_so(page: Page, reload) -> None:
    toggle = switch(page)
    expect(toggle).to_be_checked()
    toggle.click()
    expect(toggle).not_to_be_checked()
    expect(toggle).to_contain_text("speculation off")
    reply = ask(page, SHORT)
    line = evidence(reply).inner_text()
    assert "speculation off" in line and "a step" not in line and "steps" not in line
    assert figure(page, "page.figures.accept") is None
    current = rail(page).get_by_role("button").and_(page.locator("[aria-current=true]"))
    expect(current.get_by_role("img", name="speculation off")).to_have_count(1)
    reload(page)
    loaded(page)
    expect(toggle).not_to_be_checked()
    toggle.click()
    expect(toggle).to_be_checked()
    assert "speculation on" in evidence(ask(page, SHORT)).inner_text()


def test_the_toggle_in_the_middle_of_a_reply_counts_from_the_next(slow, page: Page) -> None:
    send(page, LONG)
    wait_for_words(page)
    switch(page).click()
    expect(page.get_by_role("status").get_by_text("counts from the next message")).to_be_visible()
    expect(evidence(live(page))).to_contain_text("speculation on")
    assert "speculation on" in evidence(wait_for_end(page)).inner_text()
    assert "speculation off" in evidence(ask(page, SHORT)).inner_text()


def test_stop_is_quick_and_keeps_what_was_written(slow, page: Page, reload) -> None:
    send(page, LONG)
    wait_for_words(page)
    took = stopper(page).evaluate(
        """(button) => new Promise((done) => {
          const from = performance.now();
          const look = () => document.querySelector('article[aria-busy]')
            ? requestAnimationFrame(look) : done(performance.now() - from);
          button.click();
          look();
        })"""
    )
    reply = wait_for_end(page)
    kept = words(reply).inner_text()
    assert len(kept) > 3
    expect(reply).to_contain_text("What was written stays")
    print(f"stop took {took:.0f} ms")
    assert took < 200 * patience()
    reload(page)
    loaded(page)
    expect(words(replies(page).last)).to_be_visible()
    assert words(replies(page).last).inner_text() == kept


def test_what_was_said_survives_a_reload(page: Page, reload) -> None:
    reply = ask(page, SHORT)
    said, line = words(reply).inner_text(), evidence(reply).inner_text()
    reload(page)
    loaded(page)
    again = replies(page).last
    assert (words(again).inner_text(), evidence(again).inner_text()) == (said, line)


def test_closing_the_tab_stops_the_reply(slow, page: Page, open_page) -> None:
    send(page, LONG)
    wait_for_words(page)
    page.close()
    again = open_page()  # on a new conversation: a tab that shows the old one would keep it going
    expect(rail(again).get_by_role("img", name="replying")).to_have_count(0)
    opener(conversations(again).first).click()
    expect(replies(again)).to_have_count(1)
    reply = wait_for_end(again)
    expect(reply).to_contain_text("Stopped. What was written stays.")
    assert len(words(reply).inner_text()) > 3


def test_a_reply_goes_on_while_another_conversation_is_read(slow, page: Page) -> None:
    send(page, LONG)
    wait_for_words(page)
    page.get_by_role("button", name="New conversation").click()
    expect(empty(page)).to_be_visible()
    expect(live(page)).to_have_count(0)
    opener(conversations(page).first).click()
    expect(asked(page)).to_have_text(LONG)
    reply = wait_for_end(page, 1)
    expect(evidence(reply)).to_contain_text("tok/s")
    expect(reply).not_to_contain_text("Stopped.")


def test_answer_again_and_copy(page: Page) -> None:
    ask(page, SHORT)
    page.get_by_role("button", name="Answer again").click()
    reply = wait_for_end(page, 1)
    reply.hover()
    reply.get_by_role("button", name="Copy").click()
    expect(reply.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied and words(reply).inner_text().split()[0] in copied


def test_two_tabs_see_each_other(slow, page: Page, open_page) -> None:
    other = open_page()
    ask(page, "Good morning")
    expect(conversations(other).first).to_contain_text("Good morning")
    opener(conversations(other).first).click()
    expect(replies(other)).to_have_count(1)
    send(page, LONG)
    expect(live(other)).to_have_count(1)
    wait_for_end(page, 2)
    wait_for_end(other, 2)


def test_rename_and_delete(page: Page) -> None:
    ask(page, "Good evening")
    item = conversations(page).filter(has=page.locator("[aria-current=true]"))
    item.hover()
    item.get_by_role("button", name=re.compile("^Rename")).click()
    page.get_by_role("textbox", name="Title").fill("Evenings <b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Evenings <b>")
    count = conversations(page).count()
    item.hover()
    item.get_by_role("button", name=re.compile("^Delete")).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("Delete “Evenings <b>”?")
    page.get_by_role("button", name="Keep").click()
    expect(conversations(page)).to_have_count(count)
    item.hover()
    item.get_by_role("button", name=re.compile("^Delete")).click()
    question.get_by_role("button", name="Delete").click()
    expect(conversations(page)).to_have_count(count - 1)
    expect(empty(page)).to_be_visible()


def test_a_new_conversation_with_the_keyboard(page: Page) -> None:
    ask(page, SHORT)
    page.keyboard.press("Control+k")
    expect(empty(page)).to_be_visible()
    expect(box(page)).to_be_focused()
    write(page, "not yet sent")
    opener(conversations(page).first).click()
    expect(box(page)).to_have_value("")
    page.keyboard.press("Control+k")
    expect(box(page)).to_have_value("not yet sent")
