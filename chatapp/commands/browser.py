"""A browser and a Chinese font for the tests: finds them, or gets them where it can."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from chatapp.errors import ProductError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
Run = Callable[[Sequence[str]], bool]


class TestBrowserError(ProductError):
    """No browser can be had here."""


def find_or_get(say: Callable[[str], None], run: Run | None = None) -> Path:
    """A browser that starts. Raises TestBrowserError when none can be had."""
    run = run or run_shown
    chosen = os.environ.get("EAGLECHAT_BROWSER")
    if chosen:
        if not starts(Path(chosen)):
            raise TestBrowserError("test_browser_chosen", path=chosen)
        return Path(chosen)
    found = on_path() or from_playwright()
    for key, get in (("playwright", _get_with_playwright), ("apt", _get_with_apt)):
        if found is None:
            say(key)
            found = get(run)
    if found is None:
        raise TestBrowserError("test_browser_missing")
    return found


def on_path() -> Path | None:
    for name in BROWSERS:
        path = shutil.which(name)
        if path and starts(Path(path)):
            return Path(path)
    return None


def from_playwright() -> Path | None:
    """The Chromium that Playwright has downloaded, if it starts here."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.is_file() and starts(path) else None


def starts(browser: Path) -> bool:
    """Whether it runs at all: a wrapper script or missing libraries look installed too."""
    command = [
        str(browser),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--dump-dom",
        "about:blank",
    ]
    try:
        result = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0 and b"<html" in result.stdout


def has_chinese_font() -> bool:
    try:
        listed = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False)
    except OSError:
        return False
    return bool(listed.stdout.strip())


def get_chinese_font(run: Run | None = None) -> bool:
    """Whether one is there now."""
    return has_chinese_font() or (
        _may_use_apt()
        and _apt(run or run_shown, "fontconfig", "fonts-noto-cjk")
        and has_chinese_font()
    )


def _get_with_playwright(run: Run) -> Path | None:
    return (
        from_playwright()
        if run([sys.executable, "-m", "playwright", "install", "chromium"])
        else None
    )


def _get_with_apt(run: Run) -> Path | None:
    return on_path() if _may_use_apt() and _apt(run, "chromium") else None


def _apt(run: Run, *packages: str) -> bool:
    return run(["apt-get", "update"]) and run(
        ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    )


def _may_use_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def run_shown(command: Sequence[str]) -> bool:
    """Its output goes to standard error, where progress is shown."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        return (
            subprocess.run(command, stdout=sys.stderr, env=environment, check=False).returncode == 0
        )
    except OSError:
        return False
