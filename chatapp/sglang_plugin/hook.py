"""One place in SGLang that we hook, and whether it looks as expected.

The hooks touch private names, so each is checked first. A feature is taken only when
all its hooks fit; otherwise the engine starts without it and says why. SGLang itself
swallows errors of plug-ins.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hook:
    """One hook: where, how (``before``, ``after``, ``around``; ``needs`` hooks nothing),
    and the parameters that the target must have."""

    target: str
    how: str
    function: Callable[..., Any] | None
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feature:
    """Hooks that only make sense together, and what else has to be set with them."""

    hooks: tuple[Hook, ...]
    prepare: Callable[[], None] | None = None
    cpu_only: bool = False


def problem(hook: Hook) -> str | None:
    """Why this hook does not fit the installed SGLang; None when it does."""
    try:
        target = pkgutil.resolve_name(hook.target)
    except (ImportError, AttributeError) as error:
        return f"{hook.target} is not there: {error}"
    if not hook.parameters:
        return None
    missing = set(hook.parameters) - {"self", *inspect.signature(target).parameters}
    if missing:
        return f"{hook.target} has no parameter {', '.join(sorted(missing))}"
    return None


def check(feature: Feature) -> dict[str, Any]:
    """``{"ok": bool, "detail": why not}`` for the installed SGLang."""
    problems = [found for hook in feature.hooks if (found := problem(hook))]
    return {"ok": not problems, "detail": "; ".join(problems)}


def register(feature: Feature) -> None:
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    for hook in feature.hooks:
        if hook.function is not None:
            HookRegistry.register(hook.target, hook.function, HookType(hook.how))
    if feature.prepare:
        feature.prepare()
