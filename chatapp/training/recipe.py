"""Every number that makes the pocket pair, and its seed. Nothing about time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How a run moves: rates climb, stay, and fall from ``decay_from`` of the steps on."""

    steps: int
    muon_rate: float
    adam_rate: float
    weight_decay: float = 0.02
    momentum: float = 0.95
    warm_up: int = 40
    decay_from: float = 0.45
    clip: float = 1.0


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
    rows: tuple[Rows, ...] = (
        Rows(128, 32, 0.62),
        Rows(256, 16, 0.22),
        Rows(512, 8, 0.10),
        Rows(1024, 4, 0.04),
        Rows(2048, 2, 0.02),
    )
    pace: Pace = Pace(steps=1900, muon_rate=0.02, adam_rate=4e-3, decay_from=0.4)


@dataclass(frozen=True)
class DraftRecipe:
    """``unrolled`` guesses are trained from every position, the i-th with weight
    ``fade`` to the i. ``answers`` is the number of training questions that the target
    answers itself; half of the rows are made of those."""

    vocabulary: int = 2048
    unrolled: int = 6
    fade: float = 0.8
    answers: int = 6000
    max_tokens: int = 300
    rows: tuple[Rows, ...] = (Rows(192, 16, 0.8), Rows(512, 6, 0.2))
    pace: Pace = Pace(steps=700, muon_rate=0.02, adam_rate=2e-3, warm_up=20, decay_from=0.3)


@dataclass(frozen=True)
class Recipe:
    """The pocket pair. The tokenizer is trained on the first ``corpus_turns`` turns."""

    seed: int = 20
    vocabulary: int = 3072
    corpus_turns: int = 60_000
    target: TargetRecipe = TargetRecipe()
    draft: DraftRecipe = DraftRecipe()


POCKET = Recipe()
