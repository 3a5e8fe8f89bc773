"""Proxies in every shape that they are set in: hubs are reached through them, loopback never."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatapp.launch import network, socks
from chatapp.pairs.download.huggingface import HuggingFace
from chatapp.pairs.download.modelscope import ModelScope
from chatapp.pairs.download.transfer import ConnectionLost, DownloadSource
from chatapp.proxies import left_aside, settle, settled
from chatapp.texts import LANGUAGES, Texts
from tests.fakes import proxies
from tests.fakes.hub import Hub, serve
from tests.fakes.proxies import Proxy

EN = Texts("en")
CONFIG = b'{"model_type": "toy"}'
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
SHAPES = [
    ("HTTP_PROXY", "http", "{scheme}://127.0.0.1:{port}"),
    ("http_proxy", "http", "http://127.0.0.1:{port}/"),
    ("http_proxy", "http", "127.0.0.1:{port}"),
    ("ALL_PROXY", "http", " HTTP://127.0.0.1:{port} "),
    ("ALL_PROXY", "socks5", "{scheme}://127.0.0.1:{port}"),
    ("all_proxy", "socks5", "socks5h://127.0.0.1:{port}"),
    ("all_proxy", "socks5", "socks://127.0.0.1:{port}/"),
    ("http_proxy", "socks5", "socks5://127.0.0.1:{port}"),
]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    huggingface_hub.close_session()  # it keeps the proxies that it began with
    yield
    huggingface_hub.close_session()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(Hub({"toy/target": {"config.json": CONFIG}})) as hub:
        yield hub


def elsewhere(hub: Hub) -> str:
    """The hub under a name that only a proxy knows."""
    return f"http://hub.invalid:{urlsplit(hub.address).port}"


def fetch(source: DownloadSource) -> bytes:
    listing = source.listing("toy/target")
    with source.open(listing, listing.files[0], 0) as stream:
        return b"".join(stream.chunks)


@pytest.mark.parametrize(("variable", "kind", "shape"), SHAPES)
def test_both_hubs_through_the_proxy_and_loopback_past_it(
    variable: str, kind: str, shape: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxies.serve(Proxy(kind)) as proxy:
        monkeypatch.setenv(variable, shape.format(scheme=kind, port=proxy.port))
        settle(EN)
        for client in (HuggingFace, ModelScope):
            assert fetch(client(elsewhere(hub))) == CONFIG
            through = len(proxy.asked)
            assert fetch(client(hub.address)) == CONFIG
            assert len(proxy.asked) == through, "loopback went through the proxy"
        assert {host.partition(":")[0] for host in proxy.asked} == {"hub.invalid"}


def test_a_secure_address_is_tunnelled(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("http", "socks5"):
        with proxies.serve(Proxy(kind)) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            settle(EN)
            huggingface_hub.close_session()
            with pytest.raises(ConnectionLost):
                HuggingFace("https://hub.invalid:9").listing("toy/target")
            assert proxy.asked and set(proxy.asked) == {"hub.invalid:9"}


def test_a_proxy_that_is_not_there_and_one_that_is_unwell(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxies.serve(Proxy("http", status=502)) as unwell, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = taken.getsockname()[1]
        for url in (unwell.url, f"http://127.0.0.1:{nowhere}", f"socks5://127.0.0.1:{nowhere}"):
            monkeypatch.setenv("ALL_PROXY", url)
            for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
                monkeypatch.delenv(name, raising=False)
            settle(EN)
            huggingface_hub.close_session()
            with pytest.raises(ConnectionLost) as told:
                HuggingFace(elsewhere(hub)).listing("toy/target")
            assert told.value.key in ("source_unreachable", "source_unwell")
            assert fetch(HuggingFace(hub.address)) == CONFIG


@pytest.mark.parametrize(
    "value", ["socks4://p:1", "http://p:x", "http://p:99999", "http://", "ftp://p:1", "a b", "代理"]
)
def test_what_is_no_proxy_is_left_aside_with_a_sentence(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    for language in LANGUAGES:
        monkeypatch.setenv("ALL_PROXY", value)
        settle(Texts(language))
        said = capsys.readouterr().err
        assert "ALL_PROXY" in said and "socks5h" in said and said.count("\n") == 1
        assert "ALL_PROXY" not in os.environ
    settle(EN)
    assert capsys.readouterr().err == ""


def test_without_proxies_nothing_changes() -> None:
    assert settled({"PATH": "/bin"}) == {"PATH": "/bin"}


def test_all_stands_in_for_what_is_not_said() -> None:
    found = settled({"ALL_PROXY": "socks://u:p@h:1", "https_proxy": "h:2", "HTTPS_PROXY": "h:3"})
    assert found["HTTP_PROXY"] == found["http_proxy"] == "socks5h://u:p@h:1"
    assert found["HTTPS_PROXY"] == found["https_proxy"] == "http://h:2"
    assert settled(found) == found


def test_exceptions_are_kept_with_loopback_beside_them() -> None:
    given = "intern.example, localhost,[::1],fe80::/10,192.168.0.0/16,*.lan,内网"
    found = settled({"HTTPS_PROXY": "http://p:1", "NO_PROXY": given})
    assert found["NO_PROXY"] == "intern.example,localhost,::1,192.168.0.0/16,*.lan,127.0.0.1"
    assert found["no_proxy"] == found["NO_PROXY"]


@example("socks5://p:1", "[::1]:80").via("httpx dies of it at import")
@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_no_value_stops_a_client(proxy: str, exceptions: str) -> None:
    import httpx

    with pytest.MonkeyPatch.context() as patch:
        given = {"all_proxy": proxy, "no_proxy": exceptions}
        for name, value in settled(given).items():
            try:
                patch.setenv(name, value)
            except ValueError:  # a NUL, or half a surrogate: no environment holds it
                return
        httpx.Client(verify=False).close()
        assert not left_aside(settled(given))


def test_the_terminal_and_the_page_open_with_any_of_them(data_dir: Path) -> None:
    """In a process of its own: Gradio makes clients when it is imported."""
    code = (
        "import sys; from chatapp import cli; code = cli.run(sys.argv[1:]); "
        "import gradio; from chatapp.ui.server.gradio_private import load; load(); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, "pairs", "list", "--data-dir", str(data_dir)]
    given = {"ALL_PROXY": "socks5://127.0.0.1:9", "HTTP_PROXY": "http://p:x"}
    environment = {**os.environ, **given, "NO_PROXY": "[::1],::1/128"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr and "HTTP_PROXY" in ended.stderr
    assert "pocket" in ended.stdout


# Before the packages are there


@pytest.mark.parametrize("login", [None, ("us er", "p@ss")])
def test_pip_goes_through_a_socks_proxy(
    login: tuple[str, str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "tiny-1-py3-none-any.whl"
    files = {"simple/tiny/": f'<a href="/{name}">{name}</a>'.encode(), name: _wheel()}
    index = proxies.serve_files(files)
    with index as port, proxies.serve(Proxy("socks5", login=login)) as proxy:
        quoted = proxy.url.replace("us er:p@ss", "us%20er:p%40ss")
        monkeypatch.setenv("ALL_PROXY", quoted)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        monkeypatch.delenv("PIP_NO_INDEX", raising=False)
        settle(EN)
        address = f"http://index.invalid:{port}/simple"
        options = ["--isolated", "--no-deps", "--no-cache-dir", "--retries", "0"]
        options += ["--trusted-host", "index.invalid"]
        command = [sys.executable, "-m", "pip", "download", *options, "-i", address]
        with socks.bridged():
            assert os.environ["http_proxy"].startswith("http://") and "ALL_PROXY" not in os.environ
            assert network.answers(address)
            ended = subprocess.run(
                [*command, "-d", str(tmp_path / "got"), "tiny"], capture_output=True, text=True
            )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert (tmp_path / "got" / name).read_bytes() == files[name]
        assert set(proxy.asked) == {f"index.invalid:{port}"}
        assert os.environ["ALL_PROXY"].startswith("socks5h://")


def _wheel() -> bytes:
    made, about = io.BytesIO(), "tiny-1.dist-info"
    with zipfile.ZipFile(made, "w") as wheel:
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr(f"{about}/RECORD", "")
    return made.getvalue()


def test_the_bridge_lets_nobody_else_through_and_says_what_failed(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxies.serve(Proxy("socks5", login=("a", "b"))) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("a:b@", "a:wrong@"))
        settle(EN)
        with socks.bridged():
            bridge = urlsplit(os.environ["http_proxy"])
            for login, status in (("", 407), (f"{bridge.username}:{bridge.password}@", 502)):
                url = f"http://{login}127.0.0.1:{bridge.port}"
                assert proxies.status_through(url, elsewhere(hub)) == status
    assert proxy.asked == []
