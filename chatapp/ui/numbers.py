"""How figures are written. A figure that is not there is a dash, never a zero."""

from __future__ import annotations

NONE = "—"


def speed(tokens_per_second: float | None) -> str:
    """Tokens per second: one decimal below ten, none above."""
    if tokens_per_second is None:
        return NONE
    return f"{tokens_per_second:.1f}" if tokens_per_second < 9.95 else f"{tokens_per_second:.0f}"


def length(accept_length: float | None) -> str:
    """Tokens per verify step, two decimals."""
    return NONE if accept_length is None else f"{accept_length:.2f}"


def seconds(value: float | None) -> str:
    """Two decimals below ten seconds, one above."""
    if value is None:
        return NONE
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def gigabytes(size: int | None) -> str:
    """Bytes in GB (10⁹), one decimal; two below one."""
    if size is None:
        return NONE
    value = size / 1e9
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}"


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"
