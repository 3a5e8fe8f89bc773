"""``ask`` from the outside, on a real engine: the running app's, and one that cannot start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatapp import locations
from chatapp.domain import Pair
from chatapp.engine.process.local_engine import LocalEngine

WITHIN_S = 400
ZH, EN = "天空是什么颜色？", "What colour is the sky?"


def _ask(folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chatapp", "ask", "--data-dir", str(folder), *line]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=WITHIN_S, env=environment
    )


def _reports(ended: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture
def app_folder(engine: LocalEngine, engine_folder: Path) -> Path:
    """The data directory of an app that runs: this process, with the session's engine."""
    assert locations.engine_log(engine_folder).exists()
    return engine_folder


def test_the_running_engine_answers_each_line_of_a_file(app_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(f"{ZH}\n\n{EN}\n", "utf-8")
    ended = _ask(app_folder, "--file", str(file), "--json", "--max-tokens", "60")
    zh, en = _reports(ended)
    assert "running app" in ended.stderr
    assert (zh["language"], en["language"]) == ("zh", "en")
    for report in (zh, en):
        steps, accepted = report["verify_steps"], report["accepted_drafts"]
        histogram = report["accept_histogram"]
        assert report["speculation"] is True and steps > 0
        assert sum(histogram) == steps
        assert sum(count * at for at, count in enumerate(histogram)) == accepted
        assert report["accept_length"] == pytest.approx((accepted + steps) / steps)
        assert report["completion_tokens"] == len(report["output_ids"])
        assert report["tokens_per_second"] > 0 and report["ttft_s"] > 0
        assert report["finish_reason"] in ("stop", "length")


def test_off_says_the_same_and_proposes_nothing(app_folder: Path) -> None:
    on = _reports(_ask(app_folder, ZH, "--json"))[0]
    off = _reports(_ask(app_folder, ZH, "--json", "--speculation", "off"))[0]
    assert (off["text"], off["output_ids"]) == (on["text"], on["output_ids"])
    assert off["speculation"] is False and off["accept_length"] is None
    assert (off["verify_steps"], off["accepted_drafts"]) == (0, 0)


def test_the_text_alone_goes_to_standard_output(app_folder: Path) -> None:
    report = _reports(_ask(app_folder, EN, "--json"))[0]
    shown = _ask(app_folder, EN)
    assert shown.returncode == 0
    assert shown.stdout == report["text"] + "\n"
    assert "accept length" in shown.stderr


def test_a_seed_repeats_itself_and_a_limit_is_kept(app_folder: Path) -> None:
    line = (EN, "--json", "--temperature", "1.5", "--seed", "7", "--max-tokens", "12")
    first, again = (_reports(_ask(app_folder, *line))[0] for _ in range(2))
    assert first["output_ids"] == again["output_ids"]
    assert first["completion_tokens"] <= 12


def test_a_message_longer_than_the_context_is_refused_before_it_is_sent(
    app_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "long.txt"
    file.write_text("很长的话" * 5000, "utf-8")
    ended = _ask(app_folder, "--file", str(file), "--json")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_the_running_pair_is_not_started_again_under_its_folders(
    app_folder: Path, pocket_pair: Pair
) -> None:
    ended = _ask(app_folder, EN, "--pair", f"{pocket_pair.target},{pocket_pair.draft}")
    assert ended.returncode == 0 and ended.stdout
    assert "Ready after" not in ended.stderr


def test_an_engine_that_cannot_start_is_exit_code_three(tmp_path: Path) -> None:
    ended = _ask(tmp_path, ZH, "--json", "--engine-arg", "--no-such-flag")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "Traceback" not in ended.stderr
    log = tmp_path / next(path.name for path in tmp_path.glob("*.log"))
    assert str(log) in ended.stderr and "no-such-flag" in log.read_text()
