"""``pairs`` in the terminal: list, check, download, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from chatapp import cli
from chatapp.commands import pairs, progress_line
from chatapp.pairs.download.download_progress import (
    DownloadProgress,
    DownloadState,
    FileProgress,
    Meter,
)
from chatapp.texts import Texts
from tests.fakes import toy_pair
from tests.fakes.hub import Hub, serve


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


def run(data_dir: Path, *words: str) -> int:
    return cli.run(["pairs", *words, "--data-dir", str(data_dir), "--device", "cpu"])


def test_the_list(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(data_dir) == 0
    shown = capsys.readouterr().out
    assert "published" in shown and "about 8.5 GB to download" in shown
    assert run(data_dir, "list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["pairs"]}
    assert set(rows) == {"published", "mnn", "small", "pocket"}
    assert rows["pocket"]["meant"] and rows["published"]["tree"] == "5/4/16"
    assert not rows["published"]["here"]


def test_a_check_that_finds_something(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, files in (("t", toy_pair.target_files()), ("d", toy_pair.draft_files())):
        (tmp_path / part).mkdir()
        for path, content in files.items():
            if "/" not in path:
                (tmp_path / part / path).write_bytes(content)
    name = f"{tmp_path / 't'},{tmp_path / 'd'}"
    assert run(data_dir, "check", name) == 0
    assert "is whole and fits" in capsys.readouterr().out
    (tmp_path / "t/tokenizer.json").unlink()
    assert run(data_dir, "check", name, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    (finding,) = said["findings"]
    assert not said["ok"] and finding["key"] == "pair_file_missing"
    assert finding["what"] and finding["why"] and finding["cure"]


def test_a_pair_that_is_not_here(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    assert run(data_dir, "check", "published") == 1
    shown = capsys.readouterr().out
    assert "is not downloaded yet" in shown and "not enough room" in shown


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check",), 2, "needs the name"),
        (("download", "nothing"), 3, "cannot be downloaded"),
        (("download", "published", "--source", "mirror"), 2, "No mirror is set"),
    ],
)
def test_wrong_use(
    data_dir: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    assert run(data_dir, *words) == code
    assert said in capsys.readouterr().err


def test_a_download_shows_how_far_it_is(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"toy/target": toy_pair.target_files(1000), "toy/draft": toy_pair.draft_files()}
    monkeypatch.setattr(progress_line, "QUIET_EVERY_S", 0.1)
    with serve(Hub(models, delay_s=0.005)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        assert run(data_dir, "download", "toy/target,toy/draft") == 0
    said = capsys.readouterr()
    assert "Sources: 127.0.0.1" in said.err and "downloading" in said.err
    assert "MB/s" in said.err and "left" in said.err
    assert "is whole and fits" in said.out


def test_a_download_that_fails_is_told_in_json(
    data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(Hub({}, status=404)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        assert run(data_dir, "download", "published", "--json") == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert not told["ok"] and told["error"] == "source_no_model"
    assert "Check the name" in said.err


def test_speed_and_time_left_are_those_of_the_last_seconds() -> None:
    now = [0.0]
    meter = Meter("p", clock=lambda: now[0])
    meter.set(state=DownloadState.FETCHING)
    meter.files([FileProgress("m", "f", 1000)])
    for second in range(10):
        now[0] = float(second)
        meter.arrived("m", "f", 50 * (second + 1), 50)
    progress = meter.now()
    assert progress.done == 500 and progress.bytes_per_second == pytest.approx(60, abs=1)
    assert progress.seconds_left == pytest.approx(500 / 60, abs=0.2)
    now[0] = 60.0
    assert meter.now().bytes_per_second is None, "a line that stands still has no speed"
    assert progress_line.duration(3725) == "1:02:05"
    line = progress_line.line(DownloadProgress("p", DownloadState.ASKING), Texts("zh"))
    assert line == "询问来源"
