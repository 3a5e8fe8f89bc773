"""A recorded check: SGLang's own benchmark client and our figures agree within 3%.

It measures time, so it is no part of the suite: run it alone on a quiet machine with
``python launcher.py test tests/engine/agreement.py``.

Both look at the same streams: SGLang's client talks to the engine through a wire that is
tapped, and what passes is read by our code. So the machine's drift cannot excuse anything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chatapp.domain import Pair, ReplyMetrics
from chatapp.engine.chunks import read_chunk
from chatapp.engine.process.engine_process import free_port
from chatapp.engine.process.local_engine import LocalEngine
from chatapp.measure.reply.averages import average
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace

PROMPTS = ["Tell me a story", "讲一个故事", "What is accept length?", "什么是推测解码？"]
TEMPLATE = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
TOKENS = 96


class Tap:
    """Passes requests on to ``address`` and reads the streams that come back."""

    def __init__(self, address: str, key: str) -> None:
        self.port = free_port()
        self.figures: list[ReplyMetrics] = []
        self._address, self._headers = address, {"Authorization": f"Bearer {key}"}
        routes = [
            Route("/generate", self._generate, methods=["POST"]),
            Route("/{path:path}", self._other, methods=["GET", "POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=self.port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    async def _generate(self, request: Request) -> Response:
        body = await request.json()
        return StreamingResponse(self._stream(body), media_type="text/event-stream")

    async def _stream(self, body: dict[str, Any]) -> AsyncIterator[bytes]:
        trace, sent = Trace(True), time.monotonic()
        async with self._client() as client:
            async with client.stream("POST", "/generate", json=body) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data: {"):
                        at = time.monotonic() - sent
                        trace.add(read_chunk(json.loads(line[6:]), at))
                    yield f"{line}\n".encode()
        self.figures.append(metrics_of(trace))

    async def _other(self, request: Request) -> Response:
        async with self._client() as client:
            path = f"{request.url.path}?{request.url.query}"
            answer = await client.request(request.method, path)
        return Response(answer.content, answer.status_code, media_type="application/json")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._address, headers=self._headers, timeout=300, trust_env=False
        )


@pytest.fixture(scope="module")
def counting(pocket_pair: Pair, start_engine) -> Iterator[LocalEngine]:
    """An engine whose own accept length is up to date at every step, not every forty."""
    with start_engine(pocket_pair, "--decode-log-interval", "1") as engine:
        yield engine


@pytest.fixture
def tap(counting: LocalEngine) -> Iterator[Tap]:
    tapped = Tap(counting.status().address, counting.api_key)
    yield tapped
    tapped.close()


def sglang_client(tap: Tap, pair: Pair, folder: Path, at_once: int, on: bool) -> dict[str, Any]:
    """What ``python -m sglang.benchmark.serving`` reports of the prompts."""
    lines = [
        {"conversations": [{"content": TEMPLATE.format(text)}, {"content": "an answer"}]}
        for text in PROMPTS
    ]
    data, report = folder / "prompts.jsonl", folder / "report.jsonl"
    data.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    sampling = {
        "temperature": 0,
        "max_new_tokens": TOKENS,
        "ignore_eos": True,
        "custom_params": {"speculation": on},
    }
    command = [
        *(sys.executable, "-m", "sglang.benchmark.serving", "--backend", "sglang"),
        *("--base-url", f"http://127.0.0.1:{tap.port}", "--model", str(pair.target)),
        *("--dataset-name", "custom", "--dataset-path", str(data)),
        *("--num-prompts", str(len(PROMPTS)), "--max-concurrency", str(at_once)),
        *("--sharegpt-output-len", str(TOKENS), "--output-file", str(report)),
        *("--extra-request-body", json.dumps({"sampling_params": sampling})),
        *("--warmup-requests", "1", "--flush-cache", "--disable-tqdm"),
    ]
    shim = str(Path(__file__).parent / "sglang_client")
    environment = os.environ | {"PYTHONPATH": shim, "HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(report.read_text("utf-8").splitlines()[-1])


@pytest.mark.parametrize(("at_once", "on"), [(1, True), (1, False), (4, True)])
def test_sglangs_own_client_agrees(
    tap: Tap, pocket_pair: Pair, tmp_path: Path, at_once: int, on: bool
) -> None:
    theirs = sglang_client(tap, pocket_pair, tmp_path, at_once, on)
    ours = tap.figures[-len(PROMPTS) :]  # without its warm-up
    assert theirs["completed"] == len(ours) == len(PROMPTS)
    # Their time per output token of a request is the inverse of its decode speed here.
    per_token = sum(1000 / one.tokens_per_second for one in ours) / len(ours)
    print(
        f"\n{at_once} at once, speculation {'on' if on else 'off'}, ours | SGLang's client:",
        f"{per_token:.3f} | {theirs['mean_tpot_ms']:.3f} ms a token,",
        f"accept length {average(ours).accept_length} | {theirs['accept_length']}",
    )
    assert per_token == pytest.approx(theirs["mean_tpot_ms"], rel=0.03)
    # And the speed of the table, pooled over requests of one length, is its inverse.
    assert average(ours).tokens_per_second == pytest.approx(1000 / theirs["mean_tpot_ms"], rel=0.03)
    # Their clock starts before the request is on the wire, on the same two cores.
    first = sum(one.ttft_s for one in ours) / len(ours)
    assert first * 1000 == pytest.approx(theirs["mean_ttft_ms"], rel=0.03, abs=50)
    assert sum(one.completion_tokens for one in ours) == theirs["total_output_tokens"]
    if on:  # theirs counts drafts that the end of a reply then cut off
        assert average(ours).accept_length == pytest.approx(theirs["accept_length"], rel=0.03)
