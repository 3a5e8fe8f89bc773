"""What is typed: composed Chinese, what cannot be sent, and what must never run."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from chatapp import locations
from chatapp.chat.store import Store
from chatapp.domain import Role
from tests.browser.hands import (
    asked,
    box,
    conversations,
    empty,
    loaded,
    replies,
    send,
    sender,
    wait_for_end,
    write,
)


def test_enter_that_ends_a_composition_does_not_send(page: Page) -> None:
    """Through the browser's own input method interface, as a Chinese keyboard does it."""
    box(page).focus()
    ime = page.context.new_cdp_session(page)
    ime.send("Input.imeSetComposition", {"text": "你好", "selectionStart": 2, "selectionEnd": 2})
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229}
    ime.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    ime.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    ime.send("Input.insertText", {"text": "你好"})
    expect(box(page)).to_have_value("你好")
    expect(empty(page)).to_be_visible()
    assert asked(page).count() == 0
    page.keyboard.press("Enter")
    expect(asked(page)).to_have_text("你好")
    wait_for_end(page, 1)


def test_shift_enter_breaks_the_line(page: Page) -> None:
    box(page).press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(box(page)).to_have_value("one\ntwo")
    assert asked(page).count() == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n ", "is empty"),
        ("x" * 1_000_000, "too large"),
        ("word " * 9_000, "does not fit the context"),
        ("😀" * 50_000, "does not fit the context"),
    ],
    ids=["blank", "1 MB", "longer than the context", "50,000 emoji"],
)
def test_what_cannot_be_sent_is_said_and_stays_in_the_box(
    page: Page, text: str, words: str
) -> None:
    box(page).evaluate(
        "(box, text) => { box.value = text;"
        " box.dispatchEvent(new Event('input', { bubbles: true })); }",
        text,
    )
    sender(page).click()
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    assert box(page).input_value() == text
    assert asked(page).count() == 0
    write(page, "")


def test_control_characters_and_half_characters_are_sent_clean(page: Page) -> None:
    box(page).evaluate(r"(box) => { box.value = 'Hello\u0007\ud83d there\u0000'; }")
    sender(page).click()
    expect(asked(page)).to_have_text("Hello\ufffd there")
    wait_for_end(page, 1)


EVIL = "<img src=x onerror='window.ran=1'><script>window.ran=1</script> ${window.ran=1} {{1+1}}"


def test_what_a_person_writes_is_text(page: Page) -> None:
    send(page, EVIL)
    expect(asked(page)).to_have_text(EVIL)
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img")
    wait_for_end(page, 1)
    assert page.evaluate("window.ran") is None
    assert page.locator("#ec-scroll img, #ec-left img, #ec-scroll script").count() == 0


def test_what_a_model_writes_is_text(page: Page, ready, reload) -> None:
    """A reply with markup in it, as it would stand in the store."""
    store = Store(locations.store(ready.data_dir))
    conversation = store.create_conversation(EVIL)
    store.add_message(conversation.id, Role.USER, "hello")
    links = "[click](javascript:window.ran=1) <a href='javascript:window.ran=1'>here</a>"
    fence = f"```{EVIL}\n{EVIL}\n```"
    written = f"{EVIL}\n\n{links}\n\n{fence}\n\n| {EVIL} |\n|---|"
    store.add_message(conversation.id, Role.ASSISTANT, written)
    store.close()
    page.goto(f"{ready.url}#{conversation.id}")
    reload(page)
    loaded(page)
    expect(replies(page)).to_have_count(1)
    expect(replies(page)).to_contain_text("<script>window.ran=1</script>")
    for link in replies(page).get_by_role("link").all():
        assert link.get_attribute("href").startswith("http")
    assert page.evaluate("window.ran") is None
    assert replies(page).locator(":is(img, script)").count() == 0
    row = conversations(page).filter(has=page.locator("[aria-current=true]"))
    row.hover()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(empty(page)).to_be_visible()
    assert page.evaluate("window.ran") is None


def test_a_draft_survives_a_reload(page: Page, reload) -> None:
    write(page, "half a thou")
    reload(page)
    loaded(page)
    expect(box(page)).to_have_value("half a thou")
