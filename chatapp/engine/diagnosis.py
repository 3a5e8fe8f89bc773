"""From the end of the engine's log to why it failed: an error key and its values. Pure.

The newest line that is known decides; what is not known gives the last error line.
Each key has its words under ``errors.`` in both catalogues.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

PORT_TAKEN = "address already in use"

CAUSES: tuple[tuple[str, str], ...] = (
    ("Loaded weights leave no GPU memory for the KV cache under", "engine_no_room_for_cache"),
    ("Not enough memory. Please try to increase --mem-fraction-static", "engine_no_room_for_cache"),
    ("Capture cuda graph failed:", "engine_graphs"),
    ("KV cache pool is full. Retract requests.", "engine_pool_full"),
    ("KV pool holds", "engine_pool_full"),
    ("Target model's context_length (", "engine_draft_context"),
    ("speculative_eagle_topk > 1 with page_size > 1 is only supported on", "engine_paged_tree"),
    ("Cannot find the config file for", "engine_draft_quantisation"),
    ("index out of bounds", "engine_draft_misfit"),
    ("Could not load any common_ops library", "engine_kernel_package"),
    ("no kernel image is available", "engine_kernel_image"),
    ("driver on your system is too old", "engine_driver_old"),
    ("directory: 'ninja'", "engine_compiler"),
    ("Could not find nvcc", "engine_compiler"),
    ("illegal memory access", "engine_illegal_access"),
    ("CUDA out of memory", "engine_out_of_video_memory"),
    ("Cannot allocate memory", "engine_out_of_memory"),
    (PORT_TAKEN, "engine_port_taken"),
    ("Port is already in use", "engine_port_taken"),
    ("invalid choice:", "engine_arguments"),
    ("unrecognized arguments:", "engine_arguments"),
    ("ambiguous option:", "engine_arguments"),
    ("expected one argument", "engine_arguments"),
    ("MetadataIncompleteBuffer", "engine_weights_corrupt"),
    ("InvalidHeader", "engine_weights_corrupt"),
    ("HeaderTooLarge", "engine_weights_corrupt"),
    ("HeaderTooSmall", "engine_weights_corrupt"),
    ("Error while deserializing header", "engine_weights_corrupt"),
    ("Cannot find any model weights", "engine_weights_missing"),
    ("is not the path to a directory containing", "engine_weights_missing"),
    ("size of tensor a", "engine_draft_misfit"),
    ("No module named", "engine_module_missing"),
)

_LOOK_BACK = 400
_STAMP = re.compile(r"^\[\d{4}-\d\d-\d\d[^\]]*\]\s*")
_ERROR = re.compile(r"\b(?:[A-Z]\w*(?:Error|Exception)|error):\s*\S", re.IGNORECASE)
# What stands in the log of a healthy start, and what only follows from a cause.
_NOISE = (
    "Ignore import error",
    "Responses API",
    "freeze_gc",
    "Connection refused",
    "Failed to establish",
    "Received sigquit",
    "Triggering SIGQUIT",
)


def diagnose(log_lines: Sequence[str], exit_code: int | None) -> tuple[str, dict[str, str]]:
    """Error key and values. ``exit_code`` is that of the main process: negative for a
    signal, None when it still runs and one of its children has gone."""
    told = [line for line in log_lines[-_LOOK_BACK:] if not any(word in line for word in _NOISE)]
    lines = [_STAMP.sub("", line).strip() for line in told]
    for line in reversed(lines):
        for fragment, key in CAUSES:
            if fragment in line:
                return key, {"line": _short(line)}
    for line in reversed(lines):
        if _ERROR.search(line):
            return "engine_failed", {"line": _short(line)}
    if exit_code in (None, -signal.SIGKILL):
        return "engine_killed", {}
    return "engine_ended", {"code": str(exit_code)}


def _short(line: str) -> str:
    return line if len(line) <= 300 else line[:299] + "…"
