"""Makes the pictures of the README: the real page on the real engine, nothing arranged.

``python -m tests.browser.screenshots [--url URL] [--out assets/screenshot.png] [--dark]
[--language zh|en] [--narrow]`` starts the app on data of its own unless it is told where one
runs, has a few conversations, and takes the picture in the middle of the last reply.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from chatapp import locations
from chatapp.ui.panes.empty import examples
from tests.browser.conftest import BROWSER, FLAGS, start_app
from tests.browser.hands import ask, empty, loaded, send, switch, wait_for_end

WIDE, NARROW = (1440, 900), (390, 844)
STEPS_SEEN = 12


def main() -> None:
    asked = _arguments()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        app = None if asked.url else start_app(Path(folder))
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        try:
            if app:
                app.wait("ready")
            page = _open(browser, asked.url or app.door, asked)
            _talk(page, asked.language)
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=asked.out)
            wait_for_end(page)
        finally:
            browser.close()
            if app:
                app.stop()
    print(asked.out)


def _open(browser: Browser, url: str, asked: argparse.Namespace) -> Page:
    width, height = NARROW if asked.narrow else WIDE
    page = browser.new_page(
        locale="zh-CN" if asked.language == "zh" else "en-US",
        color_scheme="dark" if asked.dark else "light",
        viewport={"width": width, "height": height},
    )
    page.set_default_timeout(120_000)
    page.goto(url)
    loaded(page)
    return page


def _talk(page: Page, language: str) -> None:
    """Some conversations for the list, one of them without speculation; then one in both
    languages, whose second reply is still being written."""
    other = "en" if language == "zh" else "zh"
    first, second, third, fourth = examples(language)
    for number, prompt in enumerate([third, examples(other)[2], fourth]):
        if number == 1:
            switch(page).click()
            expect(switch(page)).to_have_attribute("aria-checked", "false")
        ask(page, prompt)
        page.keyboard.press("Control+k")
        expect(empty(page)).to_be_visible()
    ask(page, first)
    ask(page, examples(other)[0])
    send(page, second)
    page.wait_for_function(
        f"() => document.querySelectorAll('.ec-steps i').length >= {STEPS_SEEN}"
        " && document.querySelector('#ec-pane-live .ec-md')?.textContent.length > 30"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--out", type=Path, default=locations.assets() / "screenshot.png")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--language", choices=("zh", "en"), default="en")
    return parser.parse_args()


if __name__ == "__main__":
    main()
