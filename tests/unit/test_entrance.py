"""Who lacks the key of the page gets in nowhere; who has it gets in once and for all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from chatapp import locations
from chatapp.errors import UsageError
from chatapp.settings import Settings
from chatapp.ui.server import page_key as page_keys
from chatapp.ui.server.entrance import ENTER, Entrance
from chatapp.ui.server.page_key import PageKey, page_key
from chatapp.ui.server.policy import Policy

HOME = "http://127.0.0.1:7860"
KEY = PageKey("the key", shown=True)


async def answer(request: object) -> PlainTextResponse:
    return PlainTextResponse("in")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("in")


APP = Starlette(
    routes=[Route("/{path:path}", answer, methods=["GET", "POST"]), WebSocketRoute("/ws", talk)],
    middleware=[Middleware(Policy), Middleware(Entrance, key=KEY)],
)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(APP, base_url=HOME, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/eaglechat/pulse", "/gradio_api/queue/join", "/config", "/x"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_key_nothing_is_told(client: TestClient, path: str, method: str) -> None:
    refused = client.request(method, path)
    assert refused.status_code == 403 and refused.text != "in"


def test_without_the_key_there_is_no_socket_either(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
        pass


@pytest.mark.parametrize("language, word", [("zh-CN", "密钥"), ("en-GB", "Key")])
def test_the_door_asks_for_the_key_in_words(client: TestClient, language: str, word: str) -> None:
    door = client.get("/", headers={"Accept-Language": language})
    assert door.status_code == 403 and word in door.text


def test_the_address_with_the_key_opens_it_for_good(client: TestClient) -> None:
    opened = client.get("/?key=the+key")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie and "the key" not in cookie
    assert client.get("/eaglechat/pulse").text == "in"


def test_a_key_can_be_typed(client: TestClient) -> None:
    assert client.post(ENTER, data={"key": "the key"}).status_code == 303
    assert client.get("/").text == "in"


@pytest.mark.parametrize("key", ["", "the", "the keys", "密钥", "x" * 5000])
def test_a_wrong_key_opens_nothing(
    client: TestClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatapp.ui.server.entrance._WRONG_TAKES_S", 0)
    door = client.post(ENTER, data={"key": key})
    assert door.status_code == 403 and 'role="alert"' in door.text
    assert client.get("/eaglechat/pulse").status_code == 403


def test_a_ticket_is_good_once(client: TestClient) -> None:
    ticket = KEY.ticket()
    assert client.get(f"/?ticket={ticket}").status_code == 303
    client.cookies.clear()
    assert client.get(f"/?ticket={ticket}").status_code == 403


def test_a_ticket_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket, later = KEY.ticket(), time.time() + page_keys.TICKET_S + 1
    monkeypatch.setattr("chatapp.ui.server.page_key.time.time", lambda: later)
    assert not KEY.takes(ticket)


@pytest.mark.parametrize("ticket", ["", "-", "1-2", "nan-x", "1793600000.0-" + "0" * 64])
def test_a_made_up_ticket_is_none(ticket: str) -> None:
    assert not KEY.takes(ticket)


def test_the_cookie_of_another_port_does_not_count(client: TestClient) -> None:
    client.cookies.set("eaglechat-7861", KEY.cookie)
    assert client.get("/eaglechat/pulse").status_code == 403


def test_our_own_key_stays_and_is_for_this_person_alone(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    key = page_key(settings)
    assert key.shown and len(key.value) >= 32 and page_key(settings).value == key.value
    assert locations.page_key(data_dir).stat().st_mode & 0o777 == 0o600


def test_a_password_comes_from_its_file_and_is_not_shown(data_dir: Path) -> None:
    file = data_dir / "password"
    file.write_text("密码\n", "utf-8")
    key = page_key(Settings(data_dir=data_dir, password_file=file))
    assert (key.value, key.shown) == ("密码", False)


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_a_password_file_without_a_password_is_refused(data_dir: Path, content: str | None) -> None:
    file = data_dir / "password"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UsageError):
        page_key(Settings(data_dir=data_dir, password_file=file))


def test_every_answer_tells_the_browser_to_be_strict(client: TestClient) -> None:
    for answered in (client.get("/"), client.get("/x"), client.get("/?key=the+key")):
        assert "frame-ancestors 'none'" in answered.headers["content-security-policy"]
        assert answered.headers["x-content-type-options"] == "nosniff"
        assert answered.headers["referrer-policy"] == "same-origin"
