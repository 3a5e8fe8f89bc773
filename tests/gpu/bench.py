"""What every part of the report gets: where it runs, how much is measured, on what."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chatapp.devices import Device
from chatapp.domain import Card, Pair, Tree
from chatapp.engine.planning.plan import MemoryPlan
from chatapp.engine.planning.planner import AUTO, make_plan, set_up
from chatapp.errors import PairError
from chatapp.measure.machine.cards import engine_card
from chatapp.pairs.catalogue import POCKET, known_pairs
from chatapp.pairs.locate import locate
from chatapp.pairs.planned import planned
from tests.gpu.arm import Arm
from tests.gpu.prompts import PROMPTS
from tests.gpu.random_pair import DUMMY, DUMMY_TARGET, random_pair

PUBLISHED = "published"
PUBLISHED_TREE = Tree(5, 4, 16)
SIMULATED_LENGTH = 3.3
_SIMULATED = "SGLANG_SIMULATE_ACC_LEN"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: prompts, tokens of a reply, conversations, samples of a
    distribution. ``large`` is for the published shape; ``scale`` divides its sizes."""

    prompts: int
    tokens: int
    large_prompts: int
    large_tokens: int
    conversations: int
    samples: int
    scale: int


FULL = Size(40, 128, 8, 256, 8, 2000, 1)
REHEARSAL = Size(4, 24, 2, 24, 1, 200, 16)


@dataclass(frozen=True, slots=True)
class Subject:
    """A pair to measure with. ``made_up``: its weights are random, and SGLang itself says
    how many tokens a step accepts."""

    pair: Pair
    made_up: bool = False

    @property
    def label(self) -> str:
        return f"{PUBLISHED} shape, random weights" if self.made_up else f"{self.pair.name} pair"

    def with_tree(self, tree: Tree) -> Subject:
        return replace(self, pair=replace(self.pair, tree=tree))

    def load_arguments(self, speculation: bool) -> tuple[str, ...]:
        if not self.made_up:
            return ()
        return DUMMY if speculation else DUMMY_TARGET

    @property
    def environment(self) -> dict[str, str]:
        return {_SIMULATED: str(SIMULATED_LENGTH)} if self.made_up else {}


@dataclass(frozen=True, slots=True)
class Bench:
    """``folder`` takes logs and what is made up."""

    device: Device
    size: Size
    folder: Path

    def pocket(self) -> Subject:
        """The pair whose texts mean something everywhere, with the harder tree."""
        return Subject(replace(locate(POCKET), tree=PUBLISHED_TREE))

    def published(self) -> Subject:
        """The real one where it is here, else one of its shape."""
        if self.device == "cuda":
            try:
                return Subject(locate(PUBLISHED))
            except PairError:
                pass
        folder = Path(tempfile.mkdtemp(prefix="random-", dir=self.folder))
        tokenizer = locate(POCKET).target
        known = known_pairs()[PUBLISHED]
        return Subject(random_pair(known, tokenizer, folder, self.size.scale), made_up=True)

    def card(self) -> Card | None:
        return engine_card() if self.device == "cuda" else None

    def plan(self, subject: Subject, card: Card | None) -> MemoryPlan | None:
        """What the app would plan for this card as it is now."""
        return None if card is None else make_plan(card, planned(subject.pair), AUTO)

    def arm(
        self,
        name: str,
        subject: Subject,
        *arguments: str,
        speculation: bool = True,
        environment: dict[str, str] | None = None,
    ) -> Arm:
        """An engine set up as the app would; ``arguments`` come last, so they win."""
        made, pair = self.plan(subject, self.card()), subject.pair
        return Arm(
            name=name,
            pair=pair if made is None else set_up(pair, made),
            device=self.device,
            folder=self.folder,
            arguments=(*subject.load_arguments(speculation), *arguments),
            speculation=speculation,
            environment=subject.environment | (environment or {}),
        )

    def texts(self) -> Sequence[str]:
        return PROMPTS[: self.size.prompts]

    def large_texts(self) -> Sequence[str]:
        return PROMPTS[: self.size.large_prompts]
