"""The card's memory on the real page, from start to a driver that is lost and comes back.

The driver is the stand-in of ``tests/fakes/nvml.py`` with two cards, of which the engine takes the
second; the engine is the real one, on the CPU.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pynvml
import pytest
from playwright.sync_api import Browser, Page, expect

from chatapp.units import MIB
from tests.app_on_card import Says
from tests.browser.conftest import App, scheduler, start_app
from tests.browser.hands import SHORT, ask, loaded, memory, strip
from tests.fakes.nvml import Card, Driver

OTHER = Card("NVIDIA RTX A2000 12GB", 12282 * MIB, 300 * MIB)


class Desk:
    """The app, what the driver says, and a page."""

    def __init__(self, app: App, page: Page, path: Path) -> None:
        self.app, self.page, self._path = app, page, path
        self.memory = memory(page)

    def say(self, card: Card, kv: float | None = None) -> None:
        Says(Driver([OTHER, card]), kv=kv).write(self._path)

    def rows(self) -> list[str]:
        return self.memory.get_by_role("term").all_inner_texts()


@pytest.fixture
def desk(tmp_path: Path, browser: Browser, errors: list[str]) -> Iterator[Desk]:
    path = tmp_path / "says.json"
    Says(Driver([OTHER, Card(used=900 * MIB)])).write(path)
    module = ("tests.app_on_card", str(path))
    app = start_app(tmp_path / "data", module=module, CUDA_VISIBLE_DEVICES="1")
    try:
        page = browser.new_page(locale="en-US", viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(app.door)
        loaded(page)
        yield Desk(app, page, path)
        page.close()
    finally:
        app.stop()


def worker(app: App) -> psutil.Process:
    """The engine's working process, as soon as there is one."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return scheduler(app)
        except (AssertionError, psutil.Error):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_from_the_start_to_a_lost_driver_and_back(desk: Desk) -> None:
    page, memory = desk.page, desk.memory
    expect(memory).to_contain_text("0.88 / 24.0 GB")
    expect(memory).to_contain_text("RTX 4090, card 1")

    working = worker(desk.app)
    working.suspend()  # so that it is still starting
    held = {working.pid: 8600 * MIB}
    desk.say(Card(used=9500 * MIB, processes=held, degrees=44, watts=61.0, utilisation=3))
    expect(memory).to_contain_text("This engine")
    assert desk.rows() == ["This engine", "Other programs", "Kept by the driver", "Free"]
    working.resume()

    desk.app.wait("ready")
    held = {working.pid: 17080 * MIB}
    idle = Card(used=17990 * MIB, processes=held, degrees=41, watts=23.4, utilisation=0)
    desk.say(idle, kv=0.0)
    expect(memory).to_contain_text("KV cache 0% in use")
    expect(memory).to_contain_text("41 °C 23 W 0%")
    assert desk.rows()[:3] == ["Target", "Draft", "KV cache 0% in use"]
    assert memory.inner_text().count("17.6 / 24.0 GB") == 1

    desk.say(replace(idle, degrees=67, watts=341.0, utilisation=94))
    ask(page, SHORT)  # it streams as ever while the card is watched
    expect(memory).to_contain_text("94%")
    expect(memory).to_contain_text("Last 5 minutes")

    desk.say(replace(idle, used=24000 * MIB), kv=0.96)
    expect(memory).to_contain_text("Hardly any video memory is free")
    expect(memory).to_contain_text("The KV cache is nearly full")
    warned = memory.get_by_role("heading", name="Video memory").locator("em")
    usual = page.get_by_role("region", name="Memory", exact=True).locator("summary em")
    amber, muted = (
        place.evaluate("node => getComputedStyle(node).color") for place in (warned, usual)
    )
    assert amber != muted

    desk.say(replace(idle, code=pynvml.NVML_ERROR_GPU_IS_LOST))
    expect(memory).to_contain_text("The driver does not answer")
    expect(memory.get_by_role("term")).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.get_by_text("VRAM unknown", exact=True)).to_be_visible()
    desk.say(idle, kv=0.0)
    expect(page.get_by_text("VRAM 17.6 / 24.0 GB", exact=True)).to_be_visible()
    strip(page).click()
    expect(memory).to_contain_text("KV cache 0% in use")
    panel = page.locator("#ec-right").evaluate("node => [node.scrollWidth, node.clientWidth]")
    assert panel[0] <= panel[1], "nothing of it is wider than the page"
    assert not re.search(r"\b(nan|None|null|undefined)\b", memory.inner_text())
