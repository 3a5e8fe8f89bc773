"""A pair with the shapes of a known one and no weights, where the real one is not here."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from chatapp.domain import Pair
from chatapp.pairs.catalogue import KnownPair
from chatapp.pairs.files.shapes import AttentionShape, DraftShape, PlannedPair, TargetShape
from chatapp.pairs.files.unfilled import write_configurations

DUMMY_TARGET = ("--load-format", "dummy")
DUMMY = (*DUMMY_TARGET, "--speculative-draft-load-format", "dummy")
Shape = TypeVar("Shape", TargetShape, DraftShape)
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def random_pair(known: KnownPair, tokenizer: Path, folder: Path, scale: int = 1) -> Pair:
    """SGLang fills in random weights when it is told :data:`DUMMY`. ``tokenizer`` is the
    folder of a target to take one from; ``scale`` makes all smaller, for a rehearsal."""
    pair = write_configurations(folder, shapes(known, scale))
    for name in _TOKENIZER:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, pair.target / name)
    return pair


def shapes(known: KnownPair, scale: int) -> PlannedPair:
    target, draft = known.target_shape, known.draft_shape
    if scale > 1:
        target = replace(_smaller(target, scale), layers=max(8, target.layers // scale))
        draft = replace(
            _smaller(draft, scale),
            draft_vocabulary=draft.draft_vocabulary // scale,
            target_hidden=target.hidden,
        )
    name = f"random-{known.name}"
    return PlannedPair(name, target, draft, known.tree, known.dtype, known.context_length)


def _smaller(shape: Shape, scale: int) -> Shape:
    return replace(
        shape,
        hidden=shape.hidden // scale,
        intermediate=shape.intermediate // scale,
        vocabulary=shape.vocabulary // scale,
        attention=AttentionShape(
            heads=max(2, shape.attention.heads // scale),
            kv_heads=max(1, shape.attention.kv_heads // scale),
            head_dim=16,
        ),
    )
