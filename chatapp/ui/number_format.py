"""How figures are written. A figure that is not there is a dash, never a zero."""

from __future__ import annotations

from chatapp import units

NONE = units.NONE


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


def milliseconds(value: float | None) -> str:
    """One decimal below ten milliseconds, none above."""
    if value is None:
        return NONE
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def memory_gb(size: int | None) -> str:
    """Bytes of memory in GB of 2³⁰ bytes."""
    return NONE if size is None else units.memory_gb(size)


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"
