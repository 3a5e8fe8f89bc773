"""Who guesses the tokens that a target then verifies: one module for each drafter.

To add one (its name stands in one row of ``DRAFTERS`` below, and nowhere else in the app):

1. ``pairs/drafters/<name>.py``: a :class:`Drafter`: whether it has weights, its flags, what
   must be right before the engine starts, what it takes of the memory, its trees.
2. ``DRAFTERS`` here.
3. ``sglang_plugin/<name>.py``: what the switch needs of its worker in SGLang, as hooks, and
   what it lacks without a GPU; ``sglang_plugin/hooks.py``: their rows in ``FEATURES``.
   Counts, sampling and mixed batches come with ``eagle_sample``, which all workers verify with.
4. ``assets/texts/*.toml``: its entries under ``[drafter.<name>]``.
5. Tests: a row in ``tests/unit/test_drafters.py``, an engine in ``tests/engine``.
"""

from __future__ import annotations

from collections.abc import Mapping

from chatapp.pairs.drafters.drafter import Drafter
from chatapp.pairs.drafters.eagle3 import Eagle3
from chatapp.pairs.drafters.ngram import Ngram

DRAFTERS: Mapping[str, Drafter] = {one.name: one for one in (Eagle3(), Ngram())}

__all__ = ["DRAFTERS", "Drafter"]
