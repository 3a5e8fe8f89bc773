"""Every number that makes the pocket pair, and its seed. Nothing about time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rows:
    """Rows of ``length`` tokens; a batch of them is drawn with this ``share``."""

    length: int
    count: int
    share: float


@dataclass(frozen=True)
class TargetRecipe:
    layers: int = 16
    hidden: int = 160
    inner: int = 448
    heads: int = 3
    kv_heads: int = 1
    head_dim: int = 64
    context: int = 2048
    steps: int = 2000
    rows: tuple[Rows, ...] = (
        Rows(128, 32, 0.62),
        Rows(256, 16, 0.22),
        Rows(512, 8, 0.10),
        Rows(1024, 4, 0.04),
        Rows(2048, 2, 0.02),
    )
    warm_up: int = 40
    decay_from: float = 0.45
    muon_rate: float = 0.02
    muon_momentum: float = 0.95
    adam_rate: float = 4e-3
    weight_decay: float = 0.02
    clip: float = 1.0


@dataclass(frozen=True)
class DraftRecipe:
    steps: int = 700
    rows: int = 8
    length: int = 384
    unrolled: int = 6
    step_weight: float = 0.8
    vocabulary: int = 2048
    inner: int = 448
    rate: float = 3e-3
    warm_up: int = 30
    decay_from: float = 0.3
    weight_decay: float = 0.01
    clip: float = 1.0
    prompts: int = 6000
    max_tokens: int = 320


@dataclass(frozen=True)
class Recipe:
    """The pocket pair. ``corpus_turns`` is the text that the tokenizer is trained on."""

    seed: int = 20
    vocabulary: int = 3072
    corpus_turns: int = 60_000
    target: TargetRecipe = TargetRecipe()
    draft: DraftRecipe = DraftRecipe()


POCKET = Recipe()
