"""The Models pane in a real browser: a download, a plan, the engine's command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import App, start_app
from tests.browser.hands import box, loaded, look, named
from tests.browser.test_page import CONTRAST
from tests.fakes.hub import Hub, serve
from tests.fakes.toy_pair import draft_files, target_files


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    models = {
        "Qwen/Qwen3-4B-Instruct-2507": target_files(3000),
        "Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh": draft_files(),
    }
    with serve(Hub(models, delay_s=0.02)) as hub:
        yield hub


@pytest.fixture(scope="module")
def lone_app(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app whose engine cannot start, so that the pane is seen to need none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.address)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        app = start_app(tmp_path_factory.mktemp("models"), "--pair", "/nowhere,/nowhere")
    yield app
    app.stop()


@pytest.fixture
def lone(lone_app: App, browser: Browser) -> Iterator[Page]:
    with browser.new_context(locale="en-US", color_scheme="light") as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(lone_app.door)
        loaded(page)
        models(page)
        yield page


def models(page: Page) -> None:
    look(page, "Models")
    expect(pane(page)).to_be_visible()


def pane(page: Page) -> Locator:
    return page.get_by_role("region", name=named("models.title"))


def test_a_card_is_tried_out(lone: Page) -> None:
    card = lone.get_by_label("Card")
    card.select_option("24")
    expect(pane(lone)).to_contain_text("It fits")
    card.select_option("8")
    expect(pane(lone)).to_contain_text("It does not fit")
    expect(pane(lone)).to_contain_text("The pair small fits")
    card.select_option("")
    expect(pane(lone)).to_contain_text("It fits")


def test_what_cannot_be_done_is_said_where_it_was_asked_for(lone: Page) -> None:
    lone.get_by_label("A pair of your own").fill("nonsense")
    lone.get_by_role("button", name="Check and use").click()
    notice = lone.get_by_role("alert")
    expect(notice).to_be_visible()
    expect(notice).to_contain_text("nonsense cannot be downloaded")
    expect(box(lone)).to_be_hidden()
    look(lone, "Compare")
    expect(notice).to_be_hidden()


def test_a_download_is_watched_paused_and_finished(lone: Page, hub: Hub) -> None:
    pair = lone.get_by_role("listitem").filter(has_text="Eagle3-Qwen3-4B-Instruct-2507-zh")
    expect(pair).to_contain_text("about 8.5 GB to download")
    pair.get_by_role("button", name="Download").click()
    expect(pair.get_by_role("progressbar")).to_be_visible()
    expect(pair.get_by_role("status")).to_contain_text("MB")
    pair.get_by_role("button", name="Pause").click()
    expect(pair.get_by_role("status")).to_contain_text("paused")
    hub.delay_s = 0
    pair.get_by_role("button", name="Go on").click()
    expect(pair.get_by_role("button", name="Use this pair")).to_be_visible()
    expect(pair).to_contain_text("here")
    look(lone, "Chat")
    expect(box(lone)).to_be_visible()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_all_of_it_can_be_read(lone: Page, theme: str) -> None:
    lone.get_by_role("button", name=theme).click()
    expect(pane(lone).get_by_role("table")).to_be_visible()
    assert lone.evaluate(CONTRAST) == []


def test_it_fits_a_narrow_page_and_speaks_chinese(lone: Page) -> None:
    lone.get_by_role("button", name="中文").click()
    expect(pane(lone)).to_contain_text("显存预算")
    lone.set_viewport_size({"width": 390, "height": 844})
    assert lone.evaluate("document.documentElement.scrollWidth") <= 390
    lone.set_viewport_size({"width": 1280, "height": 800})
    lone.get_by_role("button", name="English").click()
    expect(pane(lone)).to_contain_text("Memory plan")


def test_the_command_of_the_running_engine(page: Page) -> None:
    models(page)
    command = pane(page).get_by_role("code").filter(has_text="sglang.launch_server")
    expect(command).to_contain_text("sglang.launch_server")
    expect(command).to_contain_text('--api-key "$EAGLECHAT_KEY"')
    pane(page).get_by_role("button", name="Copy", exact=True).first.click()
    expect(pane(page).get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == command.inner_text()
    row = pane(page).get_by_role("row").filter(has_text="engine in all")
    expect(row.get_by_role("cell").nth(1)).not_to_have_text("—")
    expect(pane(page).get_by_role("img", name="minutes")).to_be_visible()
    look(page, "Chat")
    expect(box(page)).to_be_visible()
