"""The only code of ours that runs inside the engine's processes.

SGLang calls :func:`activate` in each of them (entry point group
``sglang.srt.plugins``). Rooms: ``switch`` (speculation on or off per request),
``lengths`` (of sequences, known on the host while it is off),
``counts`` (exact counts on every chunk), ``attention``, ``backend`` and ``kernels``
(EAGLE-3 on any CPU), ``sampling`` (temperature and seeds with speculation on a CPU),
``hooks`` (where all that is attached, and whether it fits), ``report`` (what is active).
"""

from __future__ import annotations

import logging
import os
from typing import Any

log = logging.getLogger(__name__)


def activate() -> None:
    """Registers the hooks of every feature that fits the installed SGLang."""
    from chatapp.sglang_plugin import hooks, report

    for name, found in check_features().items():
        report.status[name] = found
        if found["ok"]:
            hooks.register(hooks.FEATURES[name])
        else:
            log.warning("EagleChat: %s is not available: %s", name, found["detail"])


def check_features() -> dict[str, dict[str, Any]]:
    """Feature → ``{"ok", "detail"}`` for this machine and the installed SGLang."""
    from chatapp.sglang_plugin import hooks

    on_cpu = os.environ.get("SGLANG_USE_CPU_ENGINE") == "1"
    features = hooks.FEATURES.items()
    return {name: hooks.check(f) for name, f in features if on_cpu or not f.cpu_only}


def check_hooks() -> list[tuple[str, bool, str]]:
    """(feature, fits, why not) for ``doctor``."""
    return [(name, found["ok"], found["detail"]) for name, found in check_features().items()]
