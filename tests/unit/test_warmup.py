"""What the engine is asked before it is called ready, against a scripted server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from tokenizers import Tokenizer

from chatapp import locations
from chatapp.engine.process.warmup import rounds, warm_up


class Scripted:
    """Answers each round only when all of it is there, so that what comes at once must."""

    def __init__(self, sizes: list[int], status: int = 200) -> None:
        self.heard: list[dict[str, Any]] = []
        barriers = [[threading.Barrier(size, timeout=10)] * size for size in sizes]
        meeting = iter([barrier for together in barriers for barrier in together])
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                heard.append(body | {"key": self.headers["Authorization"]})
                next(meeting).wait()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def scripted(request: pytest.FixtureRequest) -> Iterator[Scripted]:
    server = Scripted(**request.param)
    yield server
    server.close()


def way(body: dict[str, Any]) -> tuple[bool, bool]:
    """Speculation, and whether it is sampled as the page samples."""
    asked = body["sampling_params"]
    assert asked["ignore_eos"] and asked["max_new_tokens"] > 1
    sampled = asked["temperature"] > 0
    assert not sampled or (asked["top_p"] < 1 and asked["top_k"] > 0)
    return asked["custom_params"]["speculation"], sampled


@pytest.mark.parametrize("scripted", [{"sizes": [1, 1, 1, 1, 2]}], indirect=True)
def test_every_path_is_taken(scripted: Scripted) -> None:
    warm_up(scripted.address, "k", speculation=True)
    first, second, mixed = scripted.heard[:2], scripted.heard[2:4], scripted.heard[4:]
    assert [way(body) for body in first] == [(True, False), (False, False)]
    assert [way(body) for body in second] == [(True, True), (False, True)]
    for before, after in zip(first, second, strict=True):
        assert after["text"] != before["text"] and after["text"].startswith(before["text"])
    assert {way(body) for body in mixed} == {(True, False), (False, True)}
    assert {body["key"] for body in scripted.heard} == {"Bearer k"}


@pytest.mark.parametrize("scripted", [{"sizes": [1, 1, 2]}], indirect=True)
def test_an_engine_without_a_draft(scripted: Scripted) -> None:
    warm_up(scripted.address, "k", speculation=False)
    assert [way(body)[1] for body in scripted.heard[:2]] == [False, True]
    assert len(scripted.heard) == sum(map(len, rounds(False))) == 4


@pytest.mark.parametrize("scripted", [{"sizes": [1], "status": 500}], indirect=True)
def test_a_generation_that_fails_is_raised(scripted: Scripted) -> None:
    with pytest.raises(httpx.HTTPStatusError):
        warm_up(scripted.address, "k", speculation=True)
    assert len(scripted.heard) == 1


def test_the_second_turn_begins_with_the_tokens_of_the_first() -> None:
    tokenizer = Tokenizer.from_file(str(locations.pocket_pair() / "target" / "tokenizer.json"))
    first, second = [body["text"] for (body,) in rounds(False)[:2]]
    ids = tokenizer.encode(first).ids
    assert tokenizer.encode(second).ids[: len(ids)] == ids and len(ids) > 8
