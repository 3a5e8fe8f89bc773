"""Pairs of a target and its draft: the catalogue, the check, the download."""

from __future__ import annotations

from chatapp.pairs.check import check, examine
from chatapp.pairs.locate import locate

__all__ = ["check", "examine", "locate"]
