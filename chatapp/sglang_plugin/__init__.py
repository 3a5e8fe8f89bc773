"""The only code of ours that runs inside the engine's processes.

SGLang calls :func:`activate` in each of them (entry point group
``sglang.srt.plugins``). Rooms: ``switch`` (speculation on or off per request),
``counts`` (exact counts on every chunk), ``attention`` and ``kernels`` (EAGLE-3 on any
CPU), ``sampling`` (temperature and seeds with speculation on a CPU), ``hooks`` (where all
that is attached, and whether it fits), ``report`` (what is active).
"""

from __future__ import annotations

import logging
import os

log = logging.getLogger(__name__)


def on_cpu() -> bool:
    return os.environ.get("SGLANG_USE_CPU_ENGINE") == "1"


def activate() -> None:
    """Registers the hooks of every feature that fits the installed SGLang."""
    from chatapp.sglang_plugin import hooks, report

    for name, found in check_features().items():
        report.status[name] = found
        if found["ok"]:
            _register(name, hooks.FEATURES | hooks.CPU_FEATURES)
        else:
            log.warning("EagleChat: %s is not available: %s", name, found["detail"])


def check_features() -> dict[str, dict]:
    """Feature → ``{"ok", "detail"}`` for this machine and the installed SGLang."""
    from chatapp.sglang_plugin import hooks

    features = hooks.FEATURES | (hooks.CPU_FEATURES if on_cpu() else {})
    checked = {}
    for name, wanted in features.items():
        problems = [found for hook in wanted if (found := hooks.problem(hook))]
        checked[name] = {"ok": not problems, "detail": "; ".join(problems)}
    return checked


def check_hooks() -> list[tuple[str, bool, str]]:
    """(feature, fits, why not) for ``doctor``."""
    return [(name, found["ok"], found["detail"]) for name, found in check_features().items()]


def _register(feature: str, features: dict) -> None:
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    for hook in features[feature]:
        if hook.how != "needs":
            HookRegistry.register(hook.target, hook.function, HookType(hook.how))
    if feature == "counts":
        from chatapp.sglang_plugin import counts

        counts.enable_sending()
    if feature == "cpu_eagle":
        from sglang.srt.layers.attention import attention_registry

        from chatapp.sglang_plugin import attention

        backends = attention_registry.ATTENTION_BACKENDS
        backends["torch_native"] = attention.PlannedAttnBackend
