"""From the end of the engine's log to why it failed: an error key and its values. Pure,
but for the command that installs what is missing, which differs from system to system.

The newest line that is known decides; what is not known gives the last error line.
Each key has its words under ``errors.`` in both catalogues.
"""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence

from chatapp.host import toolchain
from chatapp.host.distribution import install_command

PORT_TAKEN = "address already in use"
KERNEL_BUILD = "engine_kernel_build"

# What keeps a kernel from being compiled or linked.
COMPILING: tuple[tuple[str, str], ...] = (
    ("Failed to find C compiler", "engine_no_compiler"),
    ("Failed to preprocess host compiler properties", "engine_no_compiler"),
    ("c++: not found", "engine_no_compiler"),
    ("c++: command not found", "engine_no_compiler"),
    ("unsupported GNU version", "engine_other_compiler"),
    ("fatal error: Python.h", "engine_no_headers"),
    ("nvcc: not found", "engine_no_nvcc"),
    ("nvcc: No such file or directory", "engine_no_nvcc"),
    ("Could not find nvcc", "engine_no_nvcc"),
    ("directory: 'ninja'", "engine_no_ninja"),
    ("headers are incompatible", "engine_other_headers"),
    ("cannot find -lcudart", "engine_no_cudart"),
    ("cannot find -lcuda", "engine_no_libcuda"),
    ("cannot find -l:libcuda", "engine_no_libcuda"),
    ("libcuda.so cannot found", "engine_no_libcuda"),
    ("libcuda.so.1: cannot open shared object file", "engine_no_libcuda"),
    ("died due to signal 9", "engine_out_of_memory"),
    ("Failed to build JIT module", KERNEL_BUILD),
    ("Ninja build failed", KERNEL_BUILD),
)
CAUSES: tuple[tuple[str, str], ...] = (
    *COMPILING,
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

# What the package manager of this distribution can bring.
_PACKAGES = {
    "engine_no_compiler": "compiler",
    "engine_other_compiler": "other_compiler",
    "engine_no_headers": "headers",
}
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
    if found := _newest(CAUSES, lines):
        if found[0] == "engine_graphs" and "out of memory" not in found[1]["line"]:
            found = _newest(COMPILING, lines) or found  # the capture only wraps it
        return found
    for line in reversed(lines):
        if _ERROR.search(line):
            return "engine_failed", {"line": _short(line)}
    if exit_code in (None, -signal.SIGKILL):
        return "engine_killed", {}
    return "engine_ended", {"code": str(exit_code)}


def _newest(
    causes: Sequence[tuple[str, str]], lines: Sequence[str]
) -> tuple[str, dict[str, str]] | None:
    for place in reversed(range(len(lines))):
        for fragment, key in causes:
            if fragment in lines[place]:
                return key, _values(key, lines[place:])
    return None


def _values(key: str, lines: Sequence[str]) -> dict[str, str]:
    """What the words of ``key`` want to know; the first of ``lines`` told of it."""
    line = lines[0]
    if key == KERNEL_BUILD:  # what the compiler says follows
        line = next((after for after in lines[1:] if _ERROR.search(after)), line)
    values = {"line": _short(line)}
    if need := _PACKAGES.get(key):
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        command = install_command([need], python, toolchain.NEWEST_GCC)
        values["command"] = command or "python launcher.py doctor"
    return values


def _short(line: str) -> str:
    return line if len(line) <= 300 else line[:299] + "…"
