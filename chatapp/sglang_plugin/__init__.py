"""The only code of ours that runs inside the engine's processes."""

from __future__ import annotations


def activate() -> None:
    """Entry point of the group ``sglang.srt.plugins``."""
