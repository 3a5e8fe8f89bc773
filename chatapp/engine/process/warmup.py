"""The first generations, which prove that the engine is ready and leave nothing to be
compiled at the first real message, and what it then says about itself. Synchronous: it
runs in the engine's supervising thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from chatapp.engine.command import WATCHDOG_S

_PROMPT = "你好。 Hello, and good morning. 今天天气怎么样？"
_NEXT_TURN = " 请再说一遍。 Please say that again."
_GREEDY = {"temperature": 0.0}
_SAMPLED = {"temperature": 0.7, "top_p": 0.8, "top_k": 20}
_TOKENS, _TOKENS_TOGETHER = 8, 16
_PLUGIN = "eaglechat_plugin"


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether speculation can be switched per request; if not, ``reason`` is a
    key into the catalogues and ``detail`` what the plug-in said."""

    available: bool
    reason: str | None = None
    detail: str = ""


def warm_up(address: str, api_key: str, speculation: bool) -> None:
    """Every path that a message can take, a few tokens each. Raises httpx.HTTPError."""
    with _client(address, api_key) as client, ThreadPoolExecutor(2) as arms:
        for together in rounds(speculation):
            for answer in arms.map(lambda body: client.post("/generate", json=body), together):
                answer.raise_for_status()


def rounds(speculation: bool) -> list[list[dict[str, Any]]]:
    """What is asked, one round after the other, the requests of a round at once: for each
    state of the switch, whose cached prefixes are its own, a first turn, greedy, and a
    second one on its prefix, sampled; then a batch in which the states are mixed."""
    states = (True, False) if speculation else (True,)
    first = [[_request(_PROMPT, _GREEDY, state)] for state in states]
    second = [[_request(_PROMPT + _NEXT_TURN, _SAMPLED, state)] for state in states]
    both = zip((_GREEDY, _SAMPLED), (states[0], states[-1]), strict=True)
    return [*first, *second, [_request(_PROMPT, how, at, _TOKENS_TOGETHER) for how, at in both]]


def _request(
    text: str, sampling: dict[str, float], speculation: bool, tokens: int = _TOKENS
) -> dict[str, Any]:
    own = {"max_new_tokens": tokens, "ignore_eos": True}
    switch = {"custom_params": {"speculation": speculation}}
    return {"text": text, "sampling_params": sampling | own | switch}


def read_switch(address: str, api_key: str, speculation: bool) -> Switch:
    """What the plug-in reports through ``/server_info``."""
    if not speculation:
        return Switch(False, "switch.without_draft")
    try:
        with _client(address, api_key) as client:
            info = client.get("/server_info").raise_for_status().json()
        told = _first_state(info).get(_PLUGIN)
    except (httpx.HTTPError, ValueError) as error:
        return Switch(False, "switch.plugin_missing", str(error))
    if not isinstance(told, dict) or "switch" not in told:
        return Switch(False, "switch.plugin_missing")
    switch = told["switch"]
    if switch.get("ok"):
        return Switch(True)
    return Switch(False, "switch.plugin_misfit", str(switch.get("detail", "")))


def _first_state(info: dict[str, Any]) -> dict[str, Any]:
    states = info.get("internal_states")
    return states[0] if isinstance(states, list) and states else {}


def _client(address: str, api_key: str) -> httpx.Client:
    return httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=httpx.Timeout(5, read=WATCHDOG_S),
        trust_env=False,
        verify=False,
    )
