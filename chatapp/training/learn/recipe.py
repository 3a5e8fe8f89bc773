"""Every number that makes the pocket pair, and its seed. Nothing about time."""

from __future__ import annotations

from dataclasses import dataclass

from chatapp.training.model.shape import Shape


@dataclass(frozen=True)
class Pace:
    """How a run moves. ``rates`` are steps with the share of the full rate there; between
    two of them it goes in a straight line. The last of them is the end of the run."""

    rates: tuple[tuple[int, float], ...]
    muon_rate: float
    adam_rate: float
    weight_decay: float = 0.02
    momentum: float = 0.95
    clip: float = 1.0

    @property
    def steps(self) -> int:
        return self.rates[-1][0]


@dataclass(frozen=True)
class Rows:
    """Rows of ``length`` tokens; a batch of them is drawn with this ``share``."""

    length: int
    count: int
    share: float


@dataclass(frozen=True)
class TargetRecipe:
    """``facts``: from a step on, topics of single facts and of numbers, which take the
    longest to learn, are drawn so many times as often as their weights say."""

    shape: Shape = Shape(
        vocabulary=3072, layers=16, hidden=160, inner=448, heads=3, kv_heads=1, head_dim=64
    )
    rows: tuple[Rows, ...] = (
        Rows(128, 32, 0.62),
        Rows(256, 16, 0.22),
        Rows(512, 8, 0.10),
        Rows(1024, 4, 0.04),
        Rows(2048, 2, 0.02),
    )
    facts: tuple[tuple[int, float], ...] = ((0, 1.0), (960, 4.0), (2250, 1.0))
    pace: Pace = Pace(
        rates=(
            (0, 0.025),
            (39, 1.0),
            (760, 1.0),
            (1100, 0.70175),
            (1200, 0.6441),
            (1320, 0.5426),
            (2250, 0.01),
            (2270, 0.25),
            (2340, 0.198),
            (2360, 0.3),
            (2720, 0.005),
            (2730, 0.3),
            (3000, 0.005),
        ),
        muon_rate=0.02,
        adam_rate=4e-3,
    )


@dataclass(frozen=True)
class DraftRecipe:
    """``unrolled`` guesses are trained from every position, the i-th with weight
    ``fade`` to the i. ``answers`` is the number of training questions that the target
    answers itself; half of the rows are made of those. ``heads`` must divide the hidden
    size, or transformers refuses a Llama configuration."""

    heads: int = 5
    vocabulary: int = 2048
    unrolled: int = 5
    fade: float = 0.8
    answers: int = 2400
    max_tokens: int = 300
    rows: tuple[Rows, ...] = (Rows(192, 16, 0.85), Rows(512, 6, 0.15))
    pace: Pace = Pace(
        rates=((0, 0.05), (19, 1.0), (250, 1.0), (750, 0.01), (760, 0.3), (840, 0.005)),
        muon_rate=0.04,
        adam_rate=4e-3,
    )


@dataclass(frozen=True)
class Recipe:
    """The pocket pair. The tokenizer is trained on the first ``corpus_turns`` turns."""

    seed: int = 20
    corpus_turns: int = 60_000
    target: TargetRecipe = TargetRecipe()
    draft: DraftRecipe = DraftRecipe()

    @property
    def vocabulary(self) -> int:
        """Tokens that the tokenizer has."""
        return self.target.shape.vocabulary


POCKET = Recipe()
