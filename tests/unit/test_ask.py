"""``ask`` without an engine: what it takes in, what it prints, how it ends."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp import cli, locations
from chatapp.arguments import parse
from chatapp.commands import ask, ask_engine
from chatapp.domain import ReplyMetrics
from chatapp.errors import EngineError, InputError, PairError, StoreError, UsageError
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language
from tests.fakes.engine import ScriptedEngine

_KEYS = {
    "text", "output_ids", "language", "speculation", "prompt_tokens", "completion_tokens",
    "verify_steps", "accepted_drafts", "accept_length", "accept_histogram",
    "tokens_per_second", "ttft_s", "finish_reason",
}  # fmt: skip
_MORE = {"kind", "accept_positions", *ReplyMetrics.__dataclass_fields__}


# By the clock of the stream: the first token after 0.5 s, each step takes as long again.
_SAID = tuple("天是蓝的。他们说")
_ASKED = ("--json", "--seed", "7", "--temperature", "0.7")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    """The engine that ``ask`` finds."""
    scripted = ScriptedEngine(_SAID, gain=4, step_s=0.5)

    @asynccontextmanager
    async def answerer(*_: object) -> AsyncIterator[ask_engine.Answerer]:
        yield ask_engine.Answerer(scripted, scripted, scripted.device)  # type: ignore[arg-type]

    monkeypatch.setattr(ask, "answerer", answerer)
    return scripted


def _ask(*line: str) -> None:
    assert ask.main(parse(["ask", *line]), Settings.load()) == 0


def _sent(engine: ScriptedEngine) -> list[str]:
    return [engine.decode(asked.ids) for asked in engine.asked]


def test_the_report_follows_from_the_chunks(
    engine: ScriptedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    _ask("天空", *_ASKED)
    report = json.loads(capsys.readouterr().out)
    assert (report["text"], report["output_ids"]) == ("天是蓝的。他们说", list(map(ord, _SAID)))
    assert set(report) == _KEYS | _MORE
    assert report["step_lengths"] == [4, 3] and report["accept_positions"] == [1.0, 1.0, 0.5]
    assert report["accept_length"] == 3.5 == (5 + 2) / 2
    assert report["tokens_per_second"] == 7.0 and report["ttft_s"] == 0.5
    assert (report["language"], report["finish_reason"]) == ("zh", "stop")


def test_with_speculation_off_nothing_is_claimed(
    engine: ScriptedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    _ask("天空", *_ASKED, "--speculation", "off")
    report = json.loads(capsys.readouterr().out)
    assert (report["speculation"], report["verify_steps"]) == (False, 0)
    assert report["accept_length"] is None and report["accept_histogram"] == []


def test_each_line_of_a_file_is_a_prompt(
    engine: ScriptedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes("\ufeff你好\r\n\n  \nhello\x0cthere\n".encode())
    _ask("--file", str(file), "--json")
    assert _sent(engine) == ["你好", "hellothere"]
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first)["text"] == json.loads(second)["text"]


def test_standard_input_is_a_file(engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a\nb \xff\n")))
    _ask("--file", "-")
    assert _sent(engine) == ["a", "b \ufffd"]


def test_a_file_without_prompts_or_that_is_not_there(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n\n")
    for file in ("empty", "absent", "."):
        with pytest.raises(UsageError):
            _ask("--file", str(tmp_path / file))


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b", "a" * 1_000_000])
def test_a_message_that_cannot_be_sent(engine: ScriptedEngine, text: str) -> None:
    with pytest.raises(InputError):
        _ask(text)
    assert engine.asked == []


def test_the_line_of_a_bad_prompt_is_named(
    engine: ScriptedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("fine\n\n" + "x" * 1_000_000 + "\n")
    with pytest.raises(InputError):
        _ask("--file", str(file))
    told = capsys.readouterr().err
    assert str(file) in told and "3" in told.removeprefix(str(file)) and engine.asked == []


@pytest.mark.parametrize(
    ("text", "wanted", "asked"),
    [
        ("天空是什么颜色", "en", "天空是什么颜色\nPlease answer in English."),
        ("What colour is the sky?", "zh", "What colour is the sky?\n请用中文回答。"),
        ("天空是什么颜色", "zh", "天空是什么颜色"),
        ("天空是什么颜色", "auto", "天空是什么颜色"),
    ],
)
def test_a_language_is_asked_for_where_the_prompt_is_in_another(
    engine: ScriptedEngine, text: str, wanted: str, asked: str
) -> None:
    _ask(text, "--language", wanted)
    assert _sent(engine) == [asked]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_the_pieces_that_are_shown_make_the_whole(text: str) -> None:
    """Bytes come one by one; what is half a character is held back until it is whole."""
    data, out = text.replace("\u2028", "").replace("\u2029", "").encode(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        show = ask.Show(silent=False)
        for end in range(len(data)):
            show(data[:end].decode("utf-8", "replace"))
        show.end(data.decode())
    assert out.getvalue() == data.decode() + "\n"


def test_escape_sequences_of_a_model_do_nothing_to_the_terminal(
    engine: ScriptedEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.tokens = ("red \x1b[31m\x07", " end\tof\nit")
    _ask("hi")
    assert capsys.readouterr().out == "red [31m end\tof\nit\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (InputError("x"), 2),
        (EngineError("x"), 3),
        (PairError("x"), 3),
        (StoreError("x"), 1),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert cli.exit_code(error) == code


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        (["ask"], 2, "--file"),
        (["ask", " "], 2, "empty"),
        (["ask", "--file", "/nowhere/x"], 2, "/nowhere/x"),
        (["ask", "hi", "--port", "0"], 2, "port"),
        (["ask", "hi", "--pair", "/nowhere,/either"], 3, "/nowhere"),
    ],
)
def test_from_the_outside(line: list[str], code: int, says: str) -> None:
    command = [sys.executable, "-m", "chatapp", *line]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert says in ended.stderr and "Traceback" not in ended.stderr


def test_a_mistake_of_ours_is_one_sentence_and_a_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arguments: object, settings: object) -> int:
        raise RuntimeError("boom")

    monkeypatch.setattr(ask, "main", broken)
    assert cli.run(["ask", "hi", "--data-dir", str(tmp_path / "data")]) == 1
    said = capsys.readouterr().err
    assert "boom" in said and "error.log" in said and "Traceback" not in said
    assert "RuntimeError: boom" in (tmp_path / "data" / "error.log").read_text()


def test_logs_of_earlier_runs_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = (f"ask-{gone.pid}.log", f"ask-{gone.pid}.json", f"ask-{os.getpid()}.log", "engine.log")
    for name in names:
        (tmp_path / name).touch()
    ask_engine.remove_old_logs(tmp_path / "ask-1.log")
    assert {path.name for path in tmp_path.iterdir()} == set(names[2:])


@pytest.mark.parametrize(
    ("info", "usable"),
    [
        ({"context_length": 1024}, 1024),
        ({"context_length": 1024, "speculative_num_draft_tokens": None}, 1024),
        ({}, None),
        (
            {
                "context_length": 1024,
                "speculative_num_steps": 5,
                "speculative_eagle_topk": 4,
                "speculative_num_draft_tokens": 16,
            },
            1004,
        ),
    ],
)
def test_the_tree_takes_its_part_of_the_context(
    info: dict[str, int | None], usable: int | None
) -> None:
    assert ask_engine.usable_context(info) == usable


@pytest.mark.parametrize(
    ("algorithm", "draft", "joined"),
    [
        ("EAGLE3", "draft", (True, False)),
        ("EAGLE3", "another", (False, False)),
        (None, None, (False, False)),
        ("NGRAM", None, (False, True)),
    ],
)
def test_only_an_engine_of_both_halves_is_joined(
    algorithm: str | None, draft: str | None, joined: tuple[bool, bool]
) -> None:
    pocket = locations.pocket_pair()
    info = {
        "model_path": str(pocket / "target"),
        "speculative_algorithm": algorithm,
        "speculative_draft_model_path": draft and str(pocket / draft),
    }
    asked = f"{pocket / 'target'},{pocket / 'draft'}"
    wanted = Settings.load(pair=asked), Settings.load(drafter="ngram", pair="pocket")
    assert tuple(ask_engine.is_wanted(one, info) for one in wanted) == joined
    assert ask_engine.is_wanted(Settings.load(), info)


@pytest.mark.parametrize(("device", "times"), [("cuda", 1), ("cpu", 0)])
def test_on_a_gpu_it_says_that_a_seed_repeats_nothing(
    engine: ScriptedEngine, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    device: str, times: int,
) -> None:  # fmt: skip
    """Once, however many prompts there are."""
    (tmp_path / "prompts").write_text("天空\n天空\n")
    engine.device = device
    _ask("--file", str(tmp_path / "prompts"), *_ASKED)
    assert capsys.readouterr().err.count(Texts(system_language())("ask.no_seed")) == times
