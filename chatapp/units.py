"""How figures, sizes and durations are counted and written, everywhere the same.

Memory, that of the card and that of the machine, is counted in GB of 2³⁰ bytes, as
``nvidia-smi`` counts and as it is sold: a card of 24564 MiB has 24.0 GB. Files and
downloads are counted in GB of 10⁹ bytes, as disks and hubs count them.
"""

from __future__ import annotations

from collections.abc import Sequence

MIB = 1 << 20
GIB = 1 << 30
GB = 10**9
MB = 10**6
NONE = "—"  # what is not there is a dash, never a zero


def number(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def ratio(value: float | None, interval: Sequence[float] | None) -> str:
    """How many times as much, with the interval that it lies in."""
    if value is None or interval is None:
        return NONE if value is None else f"{value:.2f}×"
    return f"{value:.2f}× ({interval[0]:.2f} – {interval[1]:.2f})"


def memory_gb(size: int) -> str:
    """Bytes of memory in GB: one decimal, two below one."""
    return _one_decimal(size / GIB)


def disk_gb(size: int) -> str:
    """Bytes of files in GB: one decimal, two below one."""
    return _one_decimal(size / GB)


def disk_size(size: int) -> str:
    """Bytes of files with their unit, fine enough to see a download move."""
    return f"{size / GB:.2f} GB" if size >= GB else f"{size / MB:.1f} MB"


def duration(seconds: float | None) -> str:
    """``4:05`` or ``1:04:05``; what is not known is a question mark."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _one_decimal(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 0.995 else f"{value:.1f}"
