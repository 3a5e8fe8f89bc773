"""The app as a person starts it, once for all browser tests, and a real Chromium."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from chatapp import locations
from tests.browser.hands import loaded

BROWSER = os.environ.get("EAGLECHAT_BROWSER", "/usr/bin/chromium")
PAIR = os.environ.get("EAGLECHAT_PAIR", "pocket")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
READY_WITHIN_S = 600

expect.set_options(timeout=60_000)  # for a machine that has more to do


@dataclass
class App:
    """``python -m chatapp run`` on a data directory of its own. ``door`` is ``url`` with the
    page's key, as the app prints it."""

    process: subprocess.Popen[str]
    door: str
    data_dir: Path
    said: list[str]

    @property
    def url(self) -> str:
        return self.door.partition("?")[0]

    def get(self, path: str) -> httpx.Response:
        """As somebody who has come in."""
        with httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as client:
            client.get(self.door)
            return client.get(self.url + path)

    def pulse(self, language: str = "en") -> dict[str, str]:
        pulse: dict[str, str] = self.get(f"eaglechat/pulse?language={language}").json()
        return pulse

    def wait(self, state: str, within: float = READY_WITHIN_S) -> None:
        deadline = time.monotonic() + within
        while f"is-{state}" not in self.pulse()["foot"]:
            assert self.process.poll() is None, "\n".join(self.said)
            assert time.monotonic() < deadline, self.pulse()["card"] or self.pulse()["foot"]
            time.sleep(0.2)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()  # an interrupt may be ignored, inherited from a shell
            self.process.wait(60)


def start_app(
    data_dir: Path,
    *flags: str,
    port: int | None = None,
    module: Sequence[str] = ("chatapp",),
    **variables: str,
) -> App:
    """``module`` stands in the place of the app, with arguments of its own before the app's;
    ``variables`` are added to the environment."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("EAGLECHAT_")
    }
    environment |= {"LANG": "C.UTF-8", "XDG_CONFIG_HOME": str(data_dir / "config")}
    environment |= variables
    command = [sys.executable, "-m", *module, "run", "--no-browser", "--pair", PAIR]
    command += ["--data-dir", str(data_dir), "--port", str(port or free_port()), *flags]
    process = subprocess.Popen(
        command, cwd=locations.project(), env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if "http://" in line:
            break
    assert said and "http://" in said[-1], said
    door = said[-1][said[-1].index("http://") :].split()[0]
    threading.Thread(target=_listen, args=(process.stdout, said), daemon=True).start()
    return App(process, door, data_dir, said)


def _listen(output: IO[str], said: list[str]) -> None:
    with output:
        said.extend(output)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    started = start_app(tmp_path_factory.mktemp("app"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def ready(app: App) -> App:
    app.wait("ready")
    return app


def scheduler(app: App) -> psutil.Process:
    """The engine's working process."""
    for process in psutil.Process(app.process.pid).children(recursive=True):
        if "sglang::scheduler" in " ".join(process.cmdline()):
            return process
    raise AssertionError("the engine has no scheduler")


@contextmanager
def engine_held_back(app: App) -> Iterator[None]:
    """The engine gets no further than its first process, however slow the page is."""
    held, over = [], threading.Event()

    def hold_back() -> None:
        while not over.wait(0.05):
            for process in psutil.Process(app.process.pid).children(recursive=True):
                with suppress(psutil.Error):  # it may have ended meanwhile
                    command = process.cmdline()
                    if process not in held and "sglang" in " ".join(command[:4]):
                        process.suspend()
                        held.append(process)

    holding = threading.Thread(target=hold_back)
    holding.start()
    try:
        yield
    finally:
        over.set()
        holding.join()
        for process in held:
            process.resume()


@pytest.fixture
def slow(ready: App) -> Iterator[None]:
    """The engine works a fifth of the time, so that something can be done while the small
    model writes one of its short replies."""
    working, over = scheduler(ready), threading.Event()

    def hold_back() -> None:
        while not over.wait(0.02):
            working.suspend()
            over.wait(0.08)
            working.resume()

    holding = threading.Thread(target=hold_back)
    holding.start()
    yield
    over.set()
    holding.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What the pages of a test log as errors: each of them fails it."""
    logged: list[str] = []
    yield logged
    assert logged == []


@pytest.fixture
def open_page(app: App, browser: Browser, errors: list[str]):
    """``open_page()`` is a fresh profile on the page."""
    contexts = []

    def opened(
        locale: str = "en-US",
        theme: str = "light",
        size: tuple[int, int] = (1440, 900),
        fragment: str = "",
    ) -> Page:
        context = browser.new_context(
            locale=locale,
            color_scheme=theme,
            viewport={"width": size[0], "height": size[1]},
        )
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.goto(app.door + fragment)
        loaded(page)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def reload(errors: list[str]) -> Callable[[Page], None]:
    """Loads a page again. A request that is under way then breaks off, which Gradio's
    client calls an error of the page that is being left."""

    def again(page: Page) -> None:
        before = len(errors)
        page.reload(wait_until="commit")
        del errors[before:]
        page.wait_for_load_state()

    return again


@pytest.fixture
def page(ready: App, open_page) -> Page:
    return open_page()
