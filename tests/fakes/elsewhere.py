"""A scripted server that answers as an engine elsewhere does, for what a real one cannot be
made to do: to be lost and come back as another, to have a certificate that nobody knows, to
stand behind something that closes the connection or holds a stream back."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

TOKENS = 12
STEP_S = 0.03


@dataclass
class Script:
    """What the server is at this moment. ``cut_after`` events the connection is closed;
    ``held_back``: the stream comes at once, at its end; ``mute``: nothing more comes, and nobody
    is hung up on; ``nobody_behind``: as smg when its
    engines are gone, it goes on naming their model."""

    key: str = ""
    model: str = "qwen"
    context: int = 2048
    run: int = 1
    drafter: str | None = "EAGLE3"
    plugin: bool = True
    cut_after: int | None = None
    held_back: bool = False
    mute: bool = False
    nobody_behind: bool = False
    status: int | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, path: str, body: Any) -> Any:
        answers = {
            "/v1/models": {"data": [{"id": self.model, "max_model_len": self.context}]},
            "/server_info": self._info(),
            "/v1/loads": {"accelerator": "NVIDIA L4", "version": "0.5.23", "loads": []},
            "/generate": self.event(4, bool(self._on(body)), last=True),
            "/tokenize": {"tokens": _tokens(body or {})},
            "/detokenize": {"text": _texts(body or {})},
        }
        return answers.get(path, {})

    def _info(self) -> dict[str, Any]:
        plugin = {"eaglechat_plugin": {"switch": {"ok": True, "detail": ""}}}
        memory = {"memory_usage": {"weight": 7.5, "kvcache": 3.0, "graph": {}}}
        tree = dict(zip(("num_steps", "eagle_topk", "num_draft_tokens"), (3, 1, 4), strict=True))
        return {
            "model_path": f"/models/{self.model}",
            "context_length": self.context,
            "device": "cuda",
            "dtype": "bfloat16",
            "version": "0.5.23",
            "startup_time": {"scheduler_e2e": self.run},
            "speculative_algorithm": self.drafter,
            **({f"speculative_{k}": v for k, v in tree.items()} if self.drafter else {}),
            "internal_states": [memory | (plugin if self.plugin else {})],
        }

    def _on(self, body: Any) -> Any:
        switch = ((body or {}).get("sampling_params") or {}).get("custom_params") or {}
        return self.drafter and (not self.plugin or switch.get("speculation", True))

    def event(self, tokens: int, on: bool, last: bool = False) -> dict[str, Any]:
        """The reply so far: the prompt's token, then steps of one token each."""
        steps = [1] * (tokens - 1) if on else []
        meta: dict[str, Any] = {"prompt_tokens": 3, "completion_tokens": tokens}
        meta["finish_reason"] = {"type": "stop"} if last else None
        if self.plugin:
            told = {"on": on, "verify_steps": len(steps), "accepted_drafts": 0}
            meta["speculation"] = told | {"histogram": [len(steps)], "step_lengths": steps}
        if last:
            meta |= {"first_token_latency": STEP_S, "e2e_latency": STEP_S * tokens}
            counts = {"spec_verify_ct": len(steps), "spec_correct_drafts_histogram": [len(steps)]}
            meta |= counts if on else {}
        return {"text": "x" * tokens, "output_ids": [7] * tokens, "meta_info": meta}


def _tokens(body: dict[str, Any]) -> list[Any]:
    """A token for each character; the template writes one message after the other."""
    if "messages" in body:
        return [ord(char) for message in body["messages"] for char in message["content"]]
    return [[ord(char) for char in text] for text in body.get("prompt", ())]


def _texts(body: dict[str, Any]) -> list[str]:
    return ["".join(map(chr, ids)) for ids in body.get("tokens", ())]


class Server:
    """``up`` and ``down`` as often as wanted, at the same port."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script, self._tls, self._port = Script(), tls, 0
        self._listening: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"

    async def up(self) -> None:
        serve = self._serve
        self._listening = await asyncio.start_server(serve, "127.0.0.1", self._port, ssl=self._tls)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def down(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].split("\r\n")[0] or 0)
            body = json.loads(await reader.readexactly(length) or b"null")
            await self._reply(head, body, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _reply(self, head: str, body: Any, writer: asyncio.StreamWriter) -> None:
        script, path = self.script, head.split(" ")[1]
        script.asked.append((path, body))
        await self._silence()
        if script.key and f"authorization: bearer {script.key}\r\n" not in head:
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        elif script.status is not None:
            writer.write(f"HTTP/1.1 {script.status} -\r\nContent-Length: 0\r\n\r\n".encode())
        elif path == "/generate" and script.nobody_behind:
            told = {
                "error": {"code": "call_upstream_connection_failed", "message": "error sending"}
            }
            length = f"Content-Length: {len(json.dumps(told))}\r\n\r\n"
            writer.write(f"HTTP/1.1 500 -\r\n{length}{json.dumps(told)}".encode())
        elif path == "/generate" and body.get("stream"):
            await self._stream(bool(script._on(body)), writer)
        else:
            answer = json.dumps(script.answer(path, body)).encode()
            length = f"Content-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + length + answer)
        await writer.drain()

    async def _silence(self) -> None:
        while self.script.mute:
            await asyncio.sleep(0.01)

    async def _stream(self, on: bool, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
        held = [head]
        for tokens in range(1, TOKENS + 1):
            if tokens - 1 == self.script.cut_after:
                return
            event = self.script.event(tokens, on, last=tokens == TOKENS)
            held.append(f"data: {json.dumps(event)}\n\n".encode())
            await asyncio.sleep(STEP_S)
            await self._silence()
            if not self.script.held_back:
                writer.write(b"".join(held))
                await writer.drain()
                held = []
        writer.write(b"".join([*held, b"data: [DONE]\n\n"]))


@asynccontextmanager
async def serve(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(tls)
    await server.up()
    try:
        yield server
    finally:
        await server.down()


def self_signed(folder: Path) -> ssl.SSLContext:
    """For a server at 127.0.0.1; the certificate lies in ``folder`` as ``certificate.pem``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gpu-host")])
    now = datetime.now(UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, plain, none))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context
