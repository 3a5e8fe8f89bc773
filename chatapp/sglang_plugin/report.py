"""What of the plug-in is active, told through the engine's ``/server_info``."""

from __future__ import annotations

from typing import Any

KEY = "eaglechat_plugin"

status: dict[str, dict[str, Any]] = {}
"""Feature → ``{"ok": bool, "detail": str}``, filled when the plug-in is loaded."""


def add_to_state(result: Any, self: Any, recv_req: Any) -> Any:
    """After ``SchedulerInternalStateController.get_internal_state``."""
    result.internal_state[KEY] = {name: dict(value) for name, value in status.items()}
    return result
