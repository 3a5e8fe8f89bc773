"""What an engine elsewhere is and what it can do: asked, not assumed.

``/v1/models`` proves the key and names the model, ``/server_info`` tells drafter, tree and
what our plug-in reports, and two replies of a few tokens, one with speculation and one
without, prove that it generates and show what its streams tell. Behind a gateway some of the
answers may be missing (``gateway``); what nobody tells is None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from chatapp.domain import Tree
from chatapp.engine.client import OFF
from chatapp.engine.process.warmup import Switch
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.remote_client import connection

_TRIAL: Json = {"text": "1 2 3", "sampling_params": {"temperature": 0.0, "max_new_tokens": 4}}
_PLUGIN = "eaglechat_plugin"
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``context_length`` in tokens, as the model is served. ``counts``: every chunk tells
    its verify steps, exactly. ``run`` is another after the engine was started again."""

    model: str
    model_path: str
    context_length: int
    drafter: str | None
    tree: Tree | None
    dtype: str
    device: str
    machine: str
    version: str
    counts: bool
    switch: Switch
    simulated_accept_length: float | None = None
    run: str = ""

    @property
    def what(self) -> tuple[object, ...]:
        """What must be the same for it to be the same engine."""
        return self.model, self.model_path, self.context_length, self.drafter, self.tree

    @property
    def usable_context(self) -> int:
        """Without what the engine keeps for the tree of a request."""
        return self.context_length - (self.tree.reserved_tokens if self.tree else 0)


async def ask(client: httpx.AsyncClient, behind: Sequence[Address] = ()) -> Capabilities:
    """Of an engine, or of a gateway with these engines ``behind`` it, the first of which is
    asked what gateways keep to themselves; its replies come through the gateway. Raises
    httpx.HTTPError, or ValueError, KeyError, TypeError for an answer that is none."""
    if behind:
        async with httpx.AsyncClient(**connection(behind[0])) as engine:
            told = await _tells(engine)
    else:
        told = await _tells(client)
    with_it, without = [await _trial(client, speculation) for speculation in (True, False)]
    return read(*told, with_it, without)


async def _tells(client: httpx.AsyncClient) -> tuple[Json, Json, Json]:
    """Of its models, of itself, and how full it is. smg passes one question on, by its name of
    earlier days."""
    models = await _get(client, "/v1/models")
    info = await _told(client, "/server_info") or await _told(client, "/get_server_info")
    model_info = info if "model_path" in info else await _told(client, "/model_info")
    return models, {**model_info, **info}, await _told(client, "/v1/loads")


def read(models: Json, info: Json, loads: Json, with_it: Json, without: Json) -> Capabilities:
    """From the answers; ``with_it`` and ``without`` are the ``meta_info`` of two replies."""
    model = models["data"][0]
    state = _first(info.get("internal_states"))
    drafter = _word(info.get("speculative_algorithm")) or (
        "?" if with_it.get("spec_verify_ct") else None
    )
    return Capabilities(
        model=_word(model["id"]),
        model_path=str(info.get("model_path") or ""),
        context_length=int(model.get("max_model_len") or info["context_length"]),
        drafter=drafter,
        tree=_tree(info) if drafter else None,
        dtype=_word(info.get("dtype")),
        device=_word(info.get("device")),
        machine=_word(loads.get("accelerator")),
        version=_word(info.get("version") or loads.get("version")),
        counts="speculation" in with_it,
        switch=_switch(drafter, state.get(_PLUGIN), without),
        simulated_accept_length=_number(state.get("eaglechat_simulated_accept_length")),
        run=str(info.get("startup_time") or ""),
    )


def identity(models: Json) -> tuple[str, int | None]:
    """What is looked at again and again: the model's name and its context."""
    model = models["data"][0]
    return _word(model["id"]), model.get("max_model_len")


def _word(told: Any) -> str:
    """What somebody else's machine says may stand on a terminal: no escape sequences, and short."""
    return "".join(filter(str.isprintable, str(told or "")))[:200]


def _switch(drafter: str | None, report: Any, without: Json) -> Switch:
    """By what the plug-in reports, and by whether a reply without speculation was one."""
    if drafter is None:
        return Switch(False, "switch.without_draft")
    told = without.get("speculation")
    if not isinstance(told, Mapping):
        return Switch(False, "switch.plugin_elsewhere")
    switch = report.get("switch", {}) if isinstance(report, Mapping) else {"ok": True}
    if switch.get("ok") and told.get("on") is False and not told.get("verify_steps"):
        return Switch(True)
    return Switch(False, "switch.plugin_misfit", str(switch.get("detail", "")))


def _tree(info: Json) -> Tree | None:
    names = ("num_steps", "eagle_topk", "num_draft_tokens")
    shape = [info.get(f"speculative_{name}") for name in names]
    try:
        return Tree(*(int(value or 0) for value in shape))
    except ValueError:
        return None  # a drafter whose drafts are no tree


async def _get(client: httpx.AsyncClient, path: str) -> Any:
    return (await client.get(path)).raise_for_status().json()


async def _told(client: httpx.AsyncClient, path: str) -> Json:
    """What a gateway may not pass on: nothing, then."""
    answer = await client.get(path)
    if answer.status_code in (401, 403):
        answer.raise_for_status()
    try:
        told = answer.json() if answer.is_success else {}
    except ValueError:
        told = {}
    return told if isinstance(told, dict) else {}


async def _trial(client: httpx.AsyncClient, speculation: bool) -> Json:
    switch = {"custom_params": {"speculation": speculation}}
    body = {**_TRIAL, "sampling_params": _TRIAL["sampling_params"] | switch}
    body |= {} if speculation else OFF
    answer = (await client.post("/generate", json=body)).raise_for_status().json()
    return dict(answer["meta_info"])


def _first(states: Any) -> Json:
    return states[0] if isinstance(states, list) and states and isinstance(states[0], dict) else {}


def _number(told: Any) -> float | None:
    try:
        return float(told)
    except (TypeError, ValueError):
        return None
