"""pip goes through no SOCKS proxy before it has a package for that, so while it installs
there is an HTTP proxy on the loopback that does.

The client's half of SOCKS 5, RFC 1928, with names looked up by the proxy, and its
user name and password, RFC 1929.
"""

from __future__ import annotations

import os
import secrets
import select
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import SplitResult, unquote, urlsplit

_VARIABLES = ("http_proxy", "https_proxy")
_CONNECT_S = 30.0
_HOP = ("proxy-authorization", "proxy-connection", "connection")


@contextmanager
def bridged() -> Iterator[None]:
    """Inside, the SOCKS proxies of this process's environment are HTTP proxies."""
    before, servers = dict(os.environ), []
    try:
        for name in _VARIABLES:
            proxy = urlsplit(before.get(name, ""))
            if proxy.scheme.startswith("socks"):
                servers.append(server := _Bridge(proxy))
                os.environ[name] = os.environ[name.upper()] = server.url
        if servers:
            for name in ("all_proxy", "ALL_PROXY"):
                os.environ.pop(name, None)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        for server in servers:
            server.shutdown()
            server.server_close()


def connect(proxy: SplitResult, host: str, port: int) -> socket.socket:
    """A line to ``host`` through ``proxy``. Raises OSError."""
    line = socket.create_connection((proxy.hostname, proxy.port or 1080), _CONNECT_S)
    try:
        _greet(line, unquote(proxy.username or ""), unquote(proxy.password or ""))
        name = host.encode("idna")
        line.sendall(bytes([5, 1, 0, 3, len(name)]) + name + port.to_bytes(2, "big"))
        _, refused, _, kind = _read(line, 4)
        if refused:
            raise OSError(f"the SOCKS proxy refuses {host}:{port} ({refused})")
        _read(line, {1: 4, 4: 16}.get(kind) or _read(line, 1)[0])
        _read(line, 2)
        line.settimeout(None)
        return line
    except BaseException:
        line.close()
        raise


def _greet(line: socket.socket, user: str, password: str) -> None:
    line.sendall(bytes([5, 2, 0, 2] if user else [5, 1, 0]))
    version, method = _read(line, 2)
    if version != 5 or method not in (0, 2):
        raise OSError("this is no SOCKS 5 proxy that lets us in")
    if method == 2:
        name, word = user.encode(), password.encode()
        line.sendall(bytes([1, len(name)]) + name + bytes([len(word)]) + word)
        if _read(line, 2)[1]:
            raise OSError("the SOCKS proxy refuses the name or the password")


def _read(line: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        if not (more := line.recv(size - len(got))):
            raise OSError("the SOCKS proxy hung up")
        got += more
    return got


class _Bridge(ThreadingHTTPServer):
    """Only who knows ``url`` gets through: the proxy behind may ask for a password."""

    daemon_threads = True

    def __init__(self, proxy: SplitResult) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy, key = proxy, secrets.token_hex(16)
        self.url = f"http://pip:{key}@127.0.0.1:{self.server_port}"
        self.allowed = "Basic " + b64encode(f"pip:{key}".encode()).decode()
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: _Bridge
    rbufsize = 0  # what comes after the head of a request is not ours to read

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        self._join(host.strip("[]"), port, None)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        lines = [f"{self.command} {target} HTTP/1.1", "Connection: close"]
        lines += [f"{k}: {v}" for k, v in self.headers.items() if k.lower() not in _HOP]
        self._join(url.hostname or "", str(url.port or 80), "\r\n".join([*lines, "", ""]))

    do_HEAD = do_GET

    def _join(self, host: str, port: str, head: str | None) -> None:
        self.close_connection = True
        if self.headers.get("Proxy-Authorization") != self.server.allowed:
            return self.send_error(407)
        try:
            line = connect(self.server.proxy, host, int(port))
        except (OSError, ValueError) as error:
            return self.send_error(502, explain=str(error))
        with line:
            if head is None:
                self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                line.sendall(head.encode("latin-1"))
            pump(self.connection, line)


def pump(one: socket.socket, other: socket.socket) -> None:
    """Both ways until one side has ended."""
    way = {one: other, other: one}
    try:
        while True:
            for source in select.select([one, other], [], [])[0]:
                if not (block := source.recv(1 << 16)):
                    return
                way[source].sendall(block)
    except OSError:
        return
