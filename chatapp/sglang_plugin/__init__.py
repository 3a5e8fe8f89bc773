"""The only code of ours that runs inside the engine's processes.

SGLang calls :func:`activate` in each of them (entry point group
``sglang.srt.plugins``). Rooms: ``switch`` (speculation on or off per request), with a
module for each drafter (``eagle3_hooks``; ``ngram_hooks`` and its ``ngram_table``);
``lengths`` (of sequences, known on the host while it is off),
``counts`` (exact counts on every chunk), ``attention``, ``backend`` and ``cpu_kernels``
(drafting and verifying on any CPU), ``sampling`` (temperature and seeds with speculation on
a CPU), ``hook`` (whether what is hooked looks as expected), ``hooks`` (all that is hooked,
feature by feature), ``redaction`` (no key
in the log), ``report`` (what is active).
"""

from __future__ import annotations

import logging
import os
from typing import Any

log = logging.getLogger(__name__)


def activate() -> None:
    """Registers the hooks of every feature that fits the installed SGLang."""
    from chatapp.sglang_plugin import report
    from chatapp.sglang_plugin.hook import register
    from chatapp.sglang_plugin.hooks import FEATURES

    for name, found in check_features().items():
        report.status[name] = found
        if found["ok"]:
            register(FEATURES[name])
        else:
            log.warning("EagleChat: %s is not available: %s", name, found["detail"])


def check_features() -> dict[str, dict[str, Any]]:
    """Feature → ``{"ok", "detail"}`` for this machine and the installed SGLang."""
    from chatapp.sglang_plugin.hook import check
    from chatapp.sglang_plugin.hooks import FEATURES

    on_cpu = os.environ.get("SGLANG_USE_CPU_ENGINE") == "1"
    return {name: check(f) for name, f in FEATURES.items() if on_cpu or not f.cpu_only}


def check_hooks() -> list[tuple[str, bool, str]]:
    """(feature, fits, why not) for ``doctor``."""
    return [(name, found["ok"], found["detail"]) for name, found in check_features().items()]
