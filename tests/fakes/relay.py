"""In front of a real engine: what it says without what our plug-in adds. The switch and the
counts are still in it; nobody behind the relay can know."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


@contextmanager
def without_the_plug_in(engine: str) -> Iterator[str]:
    """The address of the relay to the engine at ``engine``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(engine))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(engine: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._relay(None)

        def do_POST(self) -> None:
            self._relay(self.rfile.read(int(self.headers["Content-Length"])))

        def _relay(self, body: bytes | None) -> None:
            headers = {"Authorization": self.headers["Authorization"] or ""}
            if body is not None:
                headers["Content-Type"] = "application/json"
            with httpx.stream(
                self.command, engine + self.path, content=body, headers=headers, trust_env=False
            ) as answer:
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.end_headers()
                for line in answer.iter_lines():
                    self.wfile.write(_stripped(line).encode() + b"\n")

    return Handler


def _stripped(line: str) -> str:
    head, data = ("data: ", line[6:]) if line.startswith("data: {") else ("", line)
    return head + json.dumps(_without(json.loads(data))) if data.startswith("{") else line


def _without(told: Any) -> Any:
    """Without the keys of ours, wherever they stand."""
    if isinstance(told, list):
        return [_without(one) for one in told]
    if isinstance(told, dict):
        ours = ("speculation",)
        return {
            key: _without(value)
            for key, value in told.items()
            if key not in ours and not key.startswith("eaglechat_")
        }
    return told
