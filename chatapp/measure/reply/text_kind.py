"""What kind of text a reply is: ``prose``, ``code`` or ``list`` (tables too). Pure.

Drafts guess code and lists better than prose, so averages are kept apart. The kind is
that of most of its characters.
"""

from __future__ import annotations

import re
from typing import Literal

Kind = Literal["prose", "code", "list"]
KINDS: tuple[Kind, ...] = ("prose", "code", "list")

_FENCE = re.compile(r"^\s{0,3}(```|~~~)")
_ITEM = re.compile(
    r"^\s*(?:[-*+•]\s+|\d{1,3}[.)、．]\s*(?=\D)|[一二三四五六七八九十]+、|\|.*\|\s*$)"
)


def text_kind_of(text: str) -> Kind:
    weights = {kind: 0 for kind in KINDS}
    fenced = in_item = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced, in_item = not fenced, False
            continue
        # What is indented below an item still belongs to it.
        in_item = bool(_ITEM.match(line)) or (in_item and line.startswith(("  ", "\t")))
        kind: Kind = "code" if fenced else "list" if in_item else "prose"
        weights[kind] += len(line.strip())
    return max(KINDS, key=lambda kind: weights[kind])
