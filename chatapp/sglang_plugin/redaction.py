"""SGLang writes its arguments into the log; the keys among them stay out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_KEYS = ("api_key", "admin_api_key", "ssl_keyfile_password")


def hide_keys(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Around what tells the arguments for the log: a copy of them with the keys hidden."""
    told = original(*args, **kwargs)
    if not isinstance(told, dict):
        return told
    return told | {name: "***" for name in _KEYS if told.get(name)}
