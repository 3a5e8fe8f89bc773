"""Where an engine elsewhere is, and that its key stays with its owner."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from chatapp import locations
from chatapp.arguments import parse
from chatapp.chat.choices import with_choices
from chatapp.chat.store import Store
from chatapp.engine.remote.address import Address, address_of, keep_key, kept_key
from chatapp.errors import UsageError
from chatapp.settings import Settings

URL = "http://gpu-host:30000"


def test_without_an_address_the_engine_is_our_own() -> None:
    assert address_of(Settings.load()) is None


@pytest.mark.parametrize("text", [URL, f"{URL}/", f" {URL}/v1 ", f"{URL}/v1/"])
def test_the_address_for_other_clients_will_do_as_well(text: str) -> None:
    address = address_of(Settings.load(engine_url=text))
    assert address is not None and (address.url, address.host) == (URL, "gpu-host:30000")


@pytest.mark.parametrize("text", ["gpu-host:30000", "ftp://x", "http://", "http://a:b@host", "x"])
def test_what_is_no_address_is_refused_with_its_source(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        Settings.load(engine_url=text)
    assert refused.value.values["name"] == "engine_url"
    assert refused.value.values["source"] == "flag"


@pytest.mark.parametrize(
    ("url", "secure"),
    [(URL, False), ("https://host", True), ("http://127.0.0.1:1", True), ("http://[::1]:1", True)],
)
def test_who_can_read_along(url: str, secure: bool) -> None:
    assert Address(url).secure is secure


def test_the_key_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("from the file\n", "utf-8")
    settings = Settings.load(engine_url=URL, engine_key_file=file)
    assert address_of(settings) == Address(URL, "from the file")
    monkeypatch.setenv("EAGLECHAT_ENGINE_KEY", "from the environment")
    settings = Settings.load(engine_url=URL, engine_key_file=file)
    assert address_of(settings) == Address(URL, "from the environment")
    assert "from the environment" not in f"{settings!r}{address_of(settings)!r}"


def test_a_key_cannot_be_typed_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["ask", "--engine-key", "secret", "hello"])
    assert "--engine-key" in capsys.readouterr().err


def test_a_key_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        address_of(Settings.load(engine_url=URL, engine_key_file=tmp_path / "none"))
    assert refused.value.key == "engine_key_file"


def test_a_kept_key_is_for_one_address_and_its_owner(data_dir: Path) -> None:
    keep_key(data_dir, URL, "secret")
    assert stat.S_IMODE(locations.engine_key(data_dir).stat().st_mode) == 0o600
    assert kept_key(data_dir, URL) == "secret"
    assert kept_key(data_dir, "http://other:30000") == ""
    assert address_of(Settings.load(engine_url=URL, data_dir=data_dir)) == Address(URL, "secret")
    keep_key(data_dir, URL, "")
    assert not locations.engine_key(data_dir).exists()


def test_an_address_that_was_kept_counts_unless_an_engine_here_is_asked_for(
    data_dir: Path,
) -> None:
    store = Store(locations.store(data_dir))
    store.set_preference("engine_url", URL)
    assert with_choices(Settings.load(data_dir=data_dir)).engine_url == URL
    for flags in ({"pair": "pocket"}, {"device": "cpu"}, {"engine_args": ["--log-level info"]}):
        assert with_choices(Settings.load(data_dir=data_dir, **flags)).engine_url is None
    store.close()
