"""Settings: which layer wins, where a value came from, and refusals in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatapp import locations
from chatapp.arguments import parse
from chatapp.cli import load_settings
from chatapp.errors import UsageError
from chatapp.settings import Settings
from chatapp.texts import Texts


def _write_file(text: str) -> None:
    path = locations.settings_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def test_defaults() -> None:
    settings = Settings.load()
    assert settings.pair == "auto" and settings.port is None and settings.device == "auto"
    assert settings.data_dir == locations.default_data_dir()
    assert {settings.source(name) for name in Settings.model_fields} == {"default"}


def test_each_layer_beats_the_one_below(monkeypatch: pytest.MonkeyPatch) -> None:
    _write_file('port = 1\ndevice = "cuda"\nlanguage = "zh"\n')
    monkeypatch.setenv("EAGLECHAT_PORT", "2")
    monkeypatch.setenv("EAGLECHAT_DEVICE", "cpu")
    settings = Settings.load(port=3, pair=None)
    assert (settings.port, settings.device, settings.language) == (3, "cpu", "zh")
    found = {n: settings.source(n) for n in ("port", "device", "language", "pair")}
    assert found == {
        "port": "flag",
        "device": "environment",
        "language": "file",
        "pair": "default",
    }


def test_the_command_line_arrives_in_the_settings() -> None:
    line = "ask hi --data-dir rel --port 9 --pair a,b --engine-arg --x --engine-arg 1"
    settings = load_settings(parse(line.split()))
    assert settings.port == 9 and settings.pair == "a,b"
    assert settings.data_dir == Path.cwd() / "rel"
    assert settings.engine_args == ("--x", "1")
    assert settings.source("open_browser") == "default"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--a 1 2", "--b"], ("--a", "1", "2", "--b")),
        (["--json", '{"a": 1}'], ("--json", '{"a": 1}')),
        (["--path '/a b'"], ("--path", "/a b")),
    ],
)
def test_engine_arguments_are_split_as_a_shell_would(
    given: list[str], words: tuple[str, ...]
) -> None:
    assert Settings.load(engine_args=given).engine_args == words


def test_engine_arguments_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAGLECHAT_ENGINE_ARGS", "--a 1 --b 'x y'")
    assert Settings.load().engine_args == ("--a", "1", "--b", "x y")


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"port": 0}, "port"),
        ({"port": 70000}, "port"),
        ({"device": "tpu"}, "device"),
        ({"pair": ""}, "pair"),
        ({"engine_args": ["--a 'open"]}, "engine_args"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_flag_is_named(flags: dict[str, object], name: str) -> None:
    with pytest.raises(UsageError) as refused:
        Settings.load(**flags)
    assert refused.value.values["name"] == name
    assert refused.value.values["source"] == "flag"
    assert name in refused.value.words(Texts("zh"))


def test_a_bad_value_says_where_it_came_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAGLECHAT_PORT", "soon")
    with pytest.raises(UsageError) as refused:
        Settings.load()
    assert refused.value.values["source"] == "environment"
    monkeypatch.delenv("EAGLECHAT_PORT")
    _write_file("tempo = 1\n")
    with pytest.raises(UsageError) as refused:
        Settings.load()
    assert (refused.value.values["name"], refused.value.values["source"]) == ("tempo", "file")


def test_a_file_that_is_no_toml_is_named() -> None:
    _write_file("port = \n")
    with pytest.raises(UsageError) as refused:
        Settings.load()
    assert str(locations.settings_file()) in refused.value.words(Texts("en"))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError):
        Settings.load().port = 1  # type: ignore[misc]
