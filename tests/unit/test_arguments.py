"""The command line: what it takes, what it refuses, and that help says what there is."""

from __future__ import annotations

import re
from contextlib import redirect_stderr
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.arguments import COMMANDS, build_parser, parse
from chatapp.texts import system_language


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {"command": "run"}),
        ("--port 8000 --no-browser", {"command": "run", "port": 8000, "open_browser": False}),
        ("run --data-dir /d", {"command": "run", "data_dir": "/d"}),
        ("--device cpu ask hi", {"command": "ask", "device": "cpu", "prompt": "hi"}),
        ("ask hi --device cuda", {"command": "ask", "device": "cuda"}),
        ("ask hi --language zh", {"reply_language": "zh"}),
        ("ask --file p.txt --json", {"file": "p.txt", "json": True, "prompt": None}),
        ("ask test --seed 3", {"command": "ask", "prompt": "test", "seed": 3}),
        ("ask -- -5", {"prompt": "-5"}),
        ("bench switch --json", {"command": "bench", "what": "switch", "json": True}),
        ("doctor", {"command": "doctor", "json": False}),
    ],
)
def test_lines_that_are_understood(line: str, expected: dict[str, object]) -> None:
    found = vars(parse(line.split()))
    assert {name: found.get(name) for name in expected} == expected


def test_options_that_are_not_given_are_absent() -> None:
    found = vars(parse(["ask", "hi"]))
    assert not {"port", "data_dir", "device", "pair", "engine_args", "open_browser"} & set(found)


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("--engine-arg --a run --engine-arg=--b", ["--a", "--b"]),
        ("ask hi --engine-arg --mem --engine-arg 0.8", ["--mem", "0.8"]),
        ("ask hi", None),
    ],
)
def test_engine_arguments_may_begin_with_dashes(line: str, taken: list[str] | None) -> None:
    assert getattr(parse(line.split()), "engine_args", None) == taken


def test_what_follows_test_and_train_is_passed_on_as_it_stands() -> None:
    assert parse("--device cpu test -k name --port x tests/unit".split()).rest == [
        "-k", "name", "--port", "x", "tests/unit",
    ]  # fmt: skip
    assert parse("train pocket --minutes 3".split()).rest == ["pocket", "--minutes", "3"]
    assert parse(["--pair", "test", "doctor"]).command == "doctor"


@pytest.mark.parametrize(
    "line",
    [
        "ask",
        "ask hi --file x",
        "ask hi --temperature -1",
        "ask hi --temperature nan",
        "ask hi --max-tokens 0",
        "ask hi --top-p 0",
        "ask hi --top-k 0",
        "ask hi --speculation maybe",
        "--port many",
        "--device tpu",
        "bench",
        "bench everything",
        "frobnicate",
        "--prot 1",
        "--engine-arg",
    ],
)
def test_wrong_use_ends_with_two_and_names_the_mistake(line: str) -> None:
    with redirect_stderr(StringIO()) as said, pytest.raises(SystemExit) as end:
        parse(line.split())
    assert end.value.code == 2
    assert "error:" in said.getvalue()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_help_lists_every_command_and_every_option_in_words(language: str) -> None:
    text = build_parser(language).format_help()
    assert all(re.search(rf"^    {name}\s", text, re.MULTILINE) for name in COMMANDS)
    assert ("默认" in text) == (language == "zh")


def test_help_ends_with_nothing_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    for line in (["--help"], *([name, "--help"] for name in COMMANDS)):
        with pytest.raises(SystemExit) as end:
            parse(line)
        assert end.value.code == 0
    assert "--max-tokens" in capsys.readouterr().out


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=6))
def test_no_line_gives_anything_but_a_command_or_an_exit_code(line: list[str]) -> None:
    with redirect_stderr(StringIO()):
        try:
            assert parse(line).command in COMMANDS
        except SystemExit as end:
            assert end.code in (0, 2)


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_terminal_chooses_the_language(environment: dict[str, str], language: str) -> None:
    assert system_language(environment) == language
