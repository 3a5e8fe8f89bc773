"""Requests as any SGLang client would send them, past our own client."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from chatapp.engine.client import OFF
from chatapp.engine.process.local_engine import LocalEngine


@dataclass(frozen=True)
class Job:
    """One request: prompt ids, sampling parameters, speculation. ``rebuilt``: as a gateway
    hands it on that drops the fields it does not know."""

    ids: Sequence[int]
    parameters: dict[str, Any] = field(default_factory=dict)
    speculation: bool = True
    rebuilt: bool = False

    def body(self) -> dict[str, Any]:
        parameters = {"temperature": 0, "max_new_tokens": 60} | self.parameters
        body = {"input_ids": list(self.ids), "sampling_params": parameters}
        if self.rebuilt:
            return body if self.speculation else body | OFF
        parameters["custom_params"] = {"speculation": self.speculation}
        return body


class Raw:
    """A client of one running engine, closed at the end of a ``with``."""

    def __init__(self, engine: LocalEngine) -> None:
        self.tree = engine.status().tree
        self._http = httpx.Client(
            base_url=engine.status().address,
            headers={"Authorization": f"Bearer {engine.api_key}"},
            timeout=300,
            trust_env=False,
        )

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def answer(self, job: Job) -> dict[str, Any]:
        response = self._http.post("/generate", json=job.body())
        response.raise_for_status()
        return response.json()

    def answers(self, jobs: Sequence[Job], at_once: int = 1) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(self.answer, jobs))

    def stream(self, job: Job) -> list[dict[str, Any]]:
        """Every event of the stream."""
        body = job.body() | {"stream": True}
        with self._http.stream("POST", "/generate", json=body) as response:
            lines = [line for line in response.iter_lines() if line.startswith("data: {")]
        return [json.loads(line.removeprefix("data: ")) for line in lines]

    def leave(self, job: Job, after: int) -> None:
        """Hangs up in the middle of the stream, after so many events."""
        body = job.body() | {"stream": True}
        with self._http.stream("POST", "/generate", json=body) as response:
            lines = (line for line in response.iter_lines() if line.startswith("data: {"))
            for _ in range(after):
                next(lines)

    def refuses(self, job: Job) -> bool:
        return self._http.post("/generate", json=job.body()).status_code == 400

    def server_info(self) -> dict[str, Any]:
        return self._http.get("/server_info").json()
