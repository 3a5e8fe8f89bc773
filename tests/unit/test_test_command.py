"""``test``: where the browser comes from, and that without one it fails and says so."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatapp.commands import browser
from chatapp.commands import test as command
from chatapp.settings import Settings

_WORKS = "#!/bin/sh\necho '<html><head></head><body></body></html>'\n"
_FAILS = "#!/bin/sh\necho 'Command requires the snap to be installed' >&2\nexit 1\n"


class Machine:
    """Programs that can be had here; remembers what was run to get one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.apt_brings = self.playwright_brings = False
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setattr(browser, "from_playwright", self._downloaded)

    def put(self, name: str, script: str = _WORKS) -> Path:
        path = self.folder / name
        path.write_text(script.replace("#!/bin/sh", "#!/bin/sh\nPATH=/usr/bin:/bin"))
        path.chmod(0o755)
        return path

    def run(self, line: Sequence[str]) -> bool:
        self.ran.append(" ".join(line[-2:]))
        if "playwright" in line:
            return self.playwright_brings
        if self.apt_brings and "install" in line:
            self.put("chromium")
        return self.apt_brings

    def _downloaded(self) -> Path | None:
        return self.put("pw-chrome") if self.playwright_brings and self.ran else None


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    folder = tmp_path / "bin"
    folder.mkdir()
    return Machine(folder, monkeypatch)


def _nothing(key: str) -> None:
    pass


def test_an_installed_browser_is_taken(bare: Machine) -> None:
    wanted = bare.put("google-chrome")
    assert browser.find_or_get(_nothing, bare.run) == wanted and bare.ran == []


def test_one_that_does_not_start_is_passed_over(bare: Machine) -> None:
    bare.put("chromium", _FAILS)
    wanted = bare.put("google-chrome")
    assert browser.find_or_get(_nothing, bare.run) == wanted


def test_playwright_is_asked_before_apt(bare: Machine) -> None:
    bare.playwright_brings = True
    said: list[str] = []
    assert browser.find_or_get(said.append, bare.run).name == "pw-chrome"
    assert said == ["playwright"] and bare.ran == ["install chromium"]


def test_as_root_on_debian_apt_is_the_last_resort(
    bare: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.put("apt-get")
    bare.apt_brings = True
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert browser.find_or_get(_nothing, bare.run).name == "chromium"
    assert bare.ran[0] == "install chromium" and bare.ran[1] == "apt-get update"


def test_where_none_can_be_had_it_fails_and_says_so(
    bare: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.put("apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(browser.TestBrowserError):
        browser.find_or_get(_nothing, bare.run)
    assert not any("apt-get" in line for line in bare.ran), "only root may use it"
    monkeypatch.setattr(browser, "run_shown", bare.run)
    assert command.main(Namespace(rest=["tests/unit"]), Settings.load()) == 1
    said = capsys.readouterr()
    assert said.out == "" and "EAGLECHAT_BROWSER" in said.err


def test_a_chosen_browser_must_start(bare: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = bare.put("mine")
    monkeypatch.setenv("EAGLECHAT_BROWSER", str(mine))
    assert browser.find_or_get(_nothing, bare.run) == mine
    bare.put("mine", _FAILS)
    with pytest.raises(browser.TestBrowserError) as refused:
        browser.find_or_get(_nothing, bare.run)
    assert refused.value.key == "test_browser_chosen"


@pytest.mark.parametrize(
    ("words", "workers"), [(["-k", "store"], []), (["-q"], ["-n", "2"]), ([], ["-n", "2"])]
)
def test_pytest_is_handed_the_browser_and_the_arguments(
    bare: Machine, monkeypatch: pytest.MonkeyPatch, words: list[str], workers: list[str]
) -> None:
    """All tests go side by side, and behind the gates."""
    wanted = bare.put("chromium")
    handed: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(browser, "get_chinese_font", lambda: True)
    monkeypatch.setattr(os, "chdir", lambda path: None)
    monkeypatch.setattr(os, "execve", lambda file, line, env: handed.append((line, env)))
    monkeypatch.setattr(command.check, "passes", lambda texts, say: True)
    command.main(Namespace(rest=words), Settings.load())
    line, environment = handed[0]
    assert line[1:3] == ["-m", "pytest"] and line[len(line) - len(words) :] == words
    assert line[3:5] == [*workers, *words][:2]
    assert environment["EAGLECHAT_BROWSER"] == str(wanted)


def test_without_a_chinese_font_it_fails_and_says_so(
    bare: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare.put("chromium")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not browser.has_chinese_font(), "there is no fc-list on this path"
    assert command.main(Namespace(rest=["tests/unit"]), Settings.load()) == 1
    assert "fonts-noto-cjk" in capsys.readouterr().err
