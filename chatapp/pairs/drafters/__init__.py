"""Who guesses the tokens that a target then verifies: one module for each drafter.

A name stands in one row of ``DRAFTERS`` below and nowhere else in the app. What another one
needs stands in ``.github/CONTRIBUTING.md``, file by file.
"""

from __future__ import annotations

from collections.abc import Mapping

from chatapp.pairs.drafters.drafter import Drafter
from chatapp.pairs.drafters.eagle3 import Eagle3
from chatapp.pairs.drafters.ngram import Ngram

DRAFTERS: Mapping[str, Drafter] = {one.name: one for one in (Eagle3(), Ngram())}

__all__ = ["DRAFTERS", "Drafter"]
