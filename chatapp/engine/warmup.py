"""The first generation, which proves that the engine is ready, and what it then says
about itself. Synchronous: it runs in the engine's supervising thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

_PROMPT = "你好 hello"
_TIMEOUT_S = 180.0
_PLUGIN = "eaglechat_plugin"


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether speculation can be switched per request; if not, ``reason`` is a
    key into the catalogues and ``detail`` what the plug-in said."""

    available: bool
    reason: str | None = None
    detail: str = ""


def warm_up(address: str, api_key: str, speculation: bool) -> None:
    """A few tokens, with speculation and without. Raises httpx.HTTPError."""
    for wanted in (True, False) if speculation else (True,):
        body = {
            "text": _PROMPT,
            "sampling_params": {
                "temperature": 0,
                "max_new_tokens": 8,
                "ignore_eos": True,
                "custom_params": {"speculation": wanted},
            },
        }
        with _client(address, api_key) as client:
            client.post("/generate", json=body).raise_for_status()


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
        timeout=httpx.Timeout(5, read=_TIMEOUT_S),
        trust_env=False,
        verify=False,
    )
