"""What of the plug-in is active, told through the engine's ``/server_info``."""

from __future__ import annotations

import os
from typing import Any

KEY = "eaglechat_plugin"
SECOND_STATE_KEY = "eaglechat_second_state"
DRAFT_KEY = "eaglechat_draft"
SIMULATED_KEY = "eaglechat_simulated_accept_length"

status: dict[str, dict[str, Any]] = {}
"""Feature → ``{"ok": bool, "detail": str}``, filled when the plug-in is loaded."""

# SGLang's names of the drafters whose hooks stand under another.
_FEATURES = {"EAGLE": "eagle3", "NEXTN": "eagle3"}

second_state: dict[str, Any] | None = None
"""Seconds and bytes that the switch's state for speculation off took; None: no switch."""

draft: dict[str, int] | None = None
"""Bytes of the draft's weights and KV cache; None: no switch."""


def switch_of(algorithm: str, features: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Whether speculation can be switched with this drafter: what is shared and what is its
    own must both fit."""
    shared, name = features["switch"], _FEATURES.get(algorithm, algorithm.lower())
    own = features.get(name, {"ok": False, "detail": f"no switch for {algorithm}"})
    return own if shared["ok"] else shared


def add_to_state(result: Any, self: Any, recv_req: Any) -> Any:
    """After ``SchedulerInternalStateController.get_internal_state``."""
    from sglang.srt.runtime_context import get_spec

    features = {name: dict(value) for name, value in status.items()}
    if algorithm := get_spec().speculative_algorithm:
        features["switch"] = switch_of(algorithm, features)
    result.internal_state[KEY] = features
    result.internal_state[SECOND_STATE_KEY] = second_state
    result.internal_state[DRAFT_KEY] = draft
    result.internal_state[SIMULATED_KEY] = os.environ.get("SGLANG_SIMULATE_ACC_LEN")
    return result
