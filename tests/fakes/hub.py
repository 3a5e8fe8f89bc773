"""A hub of models on the loopback: as much of the protocols of Hugging Face and
ModelScope as their client libraries use, with every fault that a test asks for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"
_LARGE = (".safetensors", ".bin")


@dataclass
class Hub:
    """``models``: name → file → content. What was asked for stands in ``asked``."""

    models: dict[str, dict[str, bytes]]
    chunk: int = 16384
    delay_s: float = 0.0
    cut_after: int | None = None  # bytes of a large file after which the line breaks, once each
    cuts: int = 0
    corrupt: int = 0  # so many answers with a large file have a wrong byte
    status: int | None = None  # instead of every answer
    busy_files: int = 0  # so many requests for a file are answered with 429 first
    ignores_range: bool = False
    redirect_to: str | None = None  # where large files are sent to
    asked: list[tuple[str, int]] = field(default_factory=list)
    sent: int = 0
    headers_seen: list[dict[str, str]] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def files_asked(self, path: str) -> list[int]:
        """Where the requests for a file began."""
        return [begin for asked, begin in self.asked if asked.endswith(path)]


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            with hub.lock:
                hub.headers_seen.append({k.lower(): v for k, v in self.headers.items()})
            if hub.status:
                return self._plain(hub.status, b"{}")
            path, query = unquote(url.path), parse_qs(url.query)
            if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)", path):
                return self._listing(found[1], _huggingface)
            if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                return self._file(found[1], found[3])
            if found := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo/files", path):
                return self._listing(found[1], _modelscope)
            if found := re.fullmatch(r"/api/v1/models/([^/]+/[^/]+)/repo", path):
                return self._file(found[1], query["FilePath"][0])
            self._plain(404, b"{}")

        def _listing(self, model: str, write: Any) -> None:
            files = hub.models.get(model)
            if files is None:
                return self._plain(404, b'{"error": "Repository not found"}')
            self._plain(200, json.dumps(write(model, files)).encode())

        def _file(self, model: str, path: str) -> None:
            content = hub.models.get(model, {}).get(path)
            begin = self._begin()
            with hub.lock:
                hub.asked.append((f"{model}/{path}", begin))
            if content is None:
                return self._plain(404, b"{}")
            if hub.busy_files:
                hub.busy_files -= 1
                return self._plain(429, b"{}", {"Retry-After": "0.1"})
            if hub.redirect_to and path.endswith(_LARGE):
                location = f"{hub.redirect_to}/{model}/resolve/{REVISION}/{path}"
                return self._plain(302, b"", {"Location": location})
            if begin >= len(content) > 0:
                return self._plain(416, b"")
            self._send(path, content, 0 if hub.ignores_range else begin)

        def _begin(self) -> int:
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            return int(found[1]) if found else 0

        def _send(self, path: str, content: bytes, begin: int) -> None:
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            if begin:
                last = len(content) - 1
                self.send_header("Content-Range", f"bytes {begin}-{last}/{len(content)}")
            self.end_headers()
            large = path.endswith(_LARGE)
            if large and hub.corrupt:
                hub.corrupt -= 1
                content = content[:-1] + bytes([content[-1] ^ 1])
            cut = hub.cut_after if large and hub.cuts > 0 else None
            for at in range(begin, len(content), hub.chunk):
                if cut is not None and at - begin >= cut:
                    hub.cuts -= 1
                    self.close_connection = True
                    self.wfile.flush()
                    self.connection.close()
                    return
                piece = content[at : at + hub.chunk]
                try:
                    self.wfile.write(piece)
                    self.wfile.flush()
                except OSError:
                    return
                with hub.lock:
                    hub.sent += len(piece)
                if large and hub.delay_s:
                    time.sleep(hub.delay_s)

        def _plain(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _huggingface(model: str, files: dict[str, bytes]) -> dict[str, Any]:
    def sibling(path: str, content: bytes) -> dict[str, Any]:
        about: dict[str, Any] = {"rfilename": path, "size": len(content)}
        about["blobId"] = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        if path.endswith(_LARGE):
            sha256 = hashlib.sha256(content).hexdigest()
            about["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 134}
        return about

    siblings = [sibling(path, content) for path, content in files.items()]
    return {"id": model, "sha": REVISION, "siblings": siblings, "tags": [], "private": False}


def _modelscope(model: str, files: dict[str, bytes]) -> dict[str, Any]:
    entries = [
        {
            "Path": path,
            "Name": path,
            "Type": "blob",
            "Size": len(content),
            "Sha256": hashlib.sha256(content).hexdigest(),
        }
        for path, content in files.items()
    ]
    return {"Code": 200, "Success": True, "Message": "", "Data": {"Files": entries}}
