"""Only this machine, and only a page of this app, gets an answer, on every route."""

from __future__ import annotations

import socket

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from chatapp.ui.server import port
from chatapp.ui.server.guard import LOCAL_ONLY

HOME = "http://127.0.0.1:7860"


async def answer(request: object) -> PlainTextResponse:
    return PlainTextResponse("in")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("in")


app = Starlette(
    routes=[Route("/{path:path}", answer, methods=["GET", "POST"]), WebSocketRoute("/ws", talk)],
    middleware=LOCAL_ONLY,
)
client = TestClient(app, base_url=HOME)


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:7860", "[::1]:7860", "localhost"])
def test_the_loopback_is_answered(host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:7860", "192.168.1.9:7860", "", "[::1", "a@b:c"]
)
def test_a_foreign_host_is_refused(host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:9999", "https://localhost.evil", "http://["],
)
def test_a_foreign_page_is_refused(origin: str) -> None:
    assert client.post("/gradio_api/queue/join", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("origin", [HOME, "http://localhost:7860"])
def test_our_own_page_is_answered(origin: str) -> None:
    assert client.post("/x", headers={"Origin": origin}).status_code == 200


def test_a_foreign_page_cannot_embed_what_we_serve_but_can_link_to_it() -> None:
    embed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/", headers=embed).status_code == 403
    assert client.get("/", headers=link).status_code == 200


def test_websockets_are_guarded_too() -> None:
    ours = {"Host": "localhost:7860", "Origin": HOME}
    with client.websocket_connect("/ws", headers=ours) as websocket:
        assert websocket.receive_text() == "in"
    with pytest.raises(WebSocketDisconnect) as refused:
        foreign = {"Host": "localhost:7860", "Origin": "http://evil.example"}
        client.websocket_connect("/ws", headers=foreign).__enter__()
    assert refused.value.code == 1008


def test_a_taken_port_gives_the_next_free_one() -> None:
    first = port.listen(None)
    taken = first.getsockname()[1]
    second = port.listen(taken)
    try:
        assert taken < second.getsockname()[1] < taken + 100
        assert second.getsockname()[0] == "127.0.0.1"
        assert port.address(second).startswith("http://127.0.0.1:")
    finally:
        first.close()
        second.close()


def test_a_port_between_that_is_taken_is_passed_over() -> None:
    blocker = socket.socket()
    blocker.bind(("127.0.0.1", 0))
    blocker.listen()
    wanted = blocker.getsockname()[1]
    with port.listen(wanted) as listening:
        assert listening.getsockname()[1] != wanted
    blocker.close()
