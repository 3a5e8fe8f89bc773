"""An engine elsewhere in a real browser: chosen on the Models page, lost, and back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import App, start_app
from tests.browser.hands import ask, send, wait_for_end
from tests.fakes.elsewhere import TOKENS, Server, serve

KEY, REPLY = "sesame", "x" * TOKENS


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """In a loop of its own, beside the browser's."""
    loop, stack = asyncio.new_event_loop(), AsyncExitStack()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def run(work):
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    server = run(stack.enter_async_context(serve()))
    server.script.key = KEY
    yield server
    run(stack.aclose())
    loop.call_soon_threadsafe(loop.stop)


@pytest.fixture(scope="module")
def connected(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """It starts no engine of its own, so it is there at once."""
    folder = tmp_path_factory.mktemp("elsewhere")
    app = start_app(folder, "--engine-url", server.url, EAGLECHAT_ENGINE_KEY=KEY)
    app.wait("ready", 60)
    yield app
    app.stop()


@pytest.fixture
def there(connected: App, browser: Browser) -> Iterator[Page]:
    with browser.new_context(locale="en-US") as context:
        page = context.new_page()
        page.goto(connected.door)
        page.wait_for_selector("#ec-first", state="detached")
        yield page


def connect(page: Page, url: str, key: str) -> None:
    page.get_by_role("button", name="Models", exact=True).click()
    page.get_by_label("Address", exact=True).fill(url)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_label("API key")).to_have_value("")


def test_a_message_waits_for_a_lost_engine_and_is_answered_once_it_is_back(
    there: Page, server: Server
) -> None:
    expect(ask(there, "hello")).to_contain_text(REPLY)
    expect(there.get_by_role("switch")).to_be_enabled()
    connect(there, "http://127.0.0.1:9", "another")
    models = there.get_by_role("region", name="Models")
    expect(models).to_contain_text("The engine at 127.0.0.1:9 cannot be reached.")
    there.get_by_role("button", name="Chat", exact=True).click()
    send(there, "are you there?")
    expect(there.get_by_role("alert").first).to_contain_text("cannot be reached")
    connect(there, server.url, KEY)
    expect(models).to_contain_text("NVIDIA L4")
    there.get_by_role("button", name="Chat", exact=True).click()
    expect(wait_for_end(there, 2)).to_contain_text(REPLY)
    assert {body["sampling_params"]["custom_params"]["speculation"]
            for path, body in server.script.asked if path == "/generate" and body.get("stream")
            } == {True}  # fmt: skip
