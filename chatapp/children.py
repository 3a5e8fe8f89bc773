"""Processes that end with the one that started them. Only the standard library."""

from __future__ import annotations

import ctypes
import signal


def die_with_parent() -> None:
    """Between fork and exec of a child: it is killed when we end, even when we are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
