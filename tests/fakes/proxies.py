"""Proxies on the loopback that write down what they are asked for. Every name leads to the
loopback, so that what gets through has gone through them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

import httpx

from chatapp.launch.socks import pump


@dataclass
class Proxy:
    """``status``: what an HTTP proxy answers in place of passing on; ``login``: what a SOCKS
    proxy wants to hear."""

    scheme: str
    status: int | None = None
    login: tuple[str, str] | None = None
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        login = f"{self.login[0]}:{self.login[1]}@" if self.login else ""
        return f"{self.scheme}://{login}127.0.0.1:{self.port}"


@contextmanager
def serve(proxy: Proxy) -> Iterator[Proxy]:
    if proxy.scheme.startswith("socks"):
        server = ThreadingTCPServer(("127.0.0.1", 0), _socks(proxy))
    else:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _http(proxy))
    server.daemon_threads = True
    proxy.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def _http(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        rbufsize = 0

        def log_message(self, *_: object) -> None:
            pass

        def do_CONNECT(self) -> None:
            self._pass_on(*self.path.rsplit(":", 1), "")

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            lines = [f"{self.command} {self.path} HTTP/1.1"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            self._pass_on(url.hostname, url.port or 80, "\r\n".join([*lines, "", ""]))

        do_HEAD = do_GET

        def _pass_on(self, host: str | None, port: str | int, head: str) -> None:
            self.close_connection = True
            proxy.asked.append(f"{host}:{port}")
            if proxy.status:
                return self.send_error(proxy.status)
            with socket.create_connection(("127.0.0.1", int(port))) as line:
                if head:
                    line.sendall(head.encode("latin-1"))
                else:
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                pump(self.connection, line)

    return Handler


def _socks(proxy: Proxy) -> type[BaseRequestHandler]:
    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            line = self.request.makefile("rb", buffering=0)
            version, count = line.read(2)
            methods = line.read(count)
            wanted = 2 if proxy.login else 0
            if version != 5 or wanted not in methods:
                return self.request.sendall(b"\x05\xff")
            self.request.sendall(bytes([5, wanted]))
            if proxy.login:
                name = line.read(line.read(2)[1]).decode()
                word = line.read(line.read(1)[0]).decode()
                right = (name, word) == proxy.login
                self.request.sendall(bytes([1, not right]))
                if not right:
                    return None
            _, _, _, kind = line.read(4)
            host = line.read(line.read(1)[0]).decode() if kind == 3 else _address(line, kind)
            port = int.from_bytes(line.read(2), "big")
            proxy.asked.append(f"{host}:{port}")
            try:
                onward = socket.create_connection(("127.0.0.1", port))
            except OSError:
                return self.request.sendall(bytes([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]))
            with onward:
                self.request.sendall(bytes([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
                pump(self.request, onward)

    return Handler


def _address(line: object, kind: int) -> str:
    family, size = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[kind]
    return socket.inet_ntop(family, line.read(size))


def status_through(proxy: str, address: str) -> int:
    """What is answered to a request for ``address`` through ``proxy``."""
    with httpx.Client(proxy=proxy, trust_env=False) as client:
        return client.get(address).status_code


@contextmanager
def serve_files(files: dict[str, bytes]) -> Iterator[int]:
    """A web server with these files; the port."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = files.get(self.path.lstrip("/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body or b"")

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
