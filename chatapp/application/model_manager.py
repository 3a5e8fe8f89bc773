"""What stands behind the Models pane: pairs and their download, plan and ledger, presets.

One download at a time, for any number of tabs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from chatapp.application.app_engine import AppEngine
from chatapp.application.monitor import Moment
from chatapp.devices import Device, engine_device
from chatapp.domain import Card
from chatapp.engine.command import engine_command
from chatapp.engine.planning.cpu_plan import cpu_kv_tokens, cpu_rows
from chatapp.engine.planning.plan import MemoryPlan
from chatapp.engine.planning.planner import AUTO, drafter_of, make_plan
from chatapp.engine.planning.presets import presets
from chatapp.errors import InputError, PairError
from chatapp.measure.machine.ledger import Ledger, ledger
from chatapp.pairs.catalogue import POCKET, known_pairs
from chatapp.pairs.check import check
from chatapp.pairs.choice import meant_name
from chatapp.pairs.download.download import Download
from chatapp.pairs.download.download_progress import DownloadProgress
from chatapp.pairs.download.sources import NAMES as SOURCES
from chatapp.pairs.download.sources import sources
from chatapp.pairs.drafters import DRAFTERS
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.files.shapes import PlannedPair
from chatapp.pairs.locate import locate, repositories, undrafted
from chatapp.pairs.planned import planned, planned_known, planned_pair
from chatapp.settings import Settings
from chatapp.units import GIB

CARDS = (8, 12, 16, 24, 32, 48)
# The pair's own drafter, or one that serves any target.
DRAFTER_CHOICES = (AUTO, *(name.lower() for name, one in DRAFTERS.items() if not one.weights))
PUBLISHED = "published"
HIDDEN_KEY = "$EAGLECHAT_KEY"
LOOK_EVERY_S = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PairState:
    """One pair of the list. ``size`` is about what its download weighs, ``minutes`` what
    it takes at 100 Mbit/s, ``begun`` how many bytes of it an earlier one left here;
    ``loadable``: it has a download, unlike a pair of two folders."""

    name: str
    title: str
    here: bool
    meant: bool
    current: bool
    size: int
    facts: tuple[str, ...] = ()
    progress: DownloadProgress | None = None
    minutes: int = 0
    begun: int = 0
    loadable: bool = True


class ModelManager:
    def __init__(
        self,
        settings: Settings,
        engine: AppEngine,
        keep: Callable[[str, str | None], None],
        own: str = "",
    ) -> None:
        """``keep`` remembers a choice; ``own`` is the pair of their own that the person
        named last."""
        self._engine, self._keep = engine, keep
        self._models = ModelFolders(settings.data_dir)
        self._download: Download | None = None
        self.source = AUTO
        self.card_gb: int | None = None
        self._meant: str | None = None
        self._own = own if settings.pair in (AUTO, POCKET, *known_pairs()) else settings.pair
        self._seen: dict[str, tuple[float, bool, int]] = {}

    @property
    def settings(self) -> Settings:
        return self._engine.settings

    @property
    def _drafter(self) -> str | None:
        return drafter_of(self.settings)

    # What a person does

    def download(self, name: str) -> None:
        """Raises PairError while another one runs."""
        if self.downloading():
            raise PairError("download_busy", place=self._models.root)
        asked = sources(self.source)
        self._download = Download(name, self._models, lambda: asked)
        if name not in known_pairs():
            self._remember_own(name)
        self._download.start()

    def pause(self) -> None:
        if self._download:
            self._download.pause()

    def resume(self, name: str) -> None:
        """The download that is paused, else one that an earlier run of the app began."""
        if self._download and self.downloading():
            self._download.resume()
        else:
            self.download(name)

    def cancel(self) -> None:
        if self._download:
            self._download.cancel()

    async def use(self, name: str) -> None:
        """Raises PairError for one that is not in the list."""
        if name not in (*known_pairs(), POCKET, self._own):
            raise PairError("pair_unknown", name=name, known=", ".join(known_pairs()))
        await self._switch_to(name)

    async def use_own(self, name: str) -> None:
        """A target with its draft or alone, by folders or models: checked and used, or
        downloaded when not here. Raises PairError when it is neither, or does not fit."""
        try:
            pair = locate(name, self._models, self._drafter)
        except PairError:
            repositories(name)  # else this says what is wrong with the name
            self.download(name)
            return
        await asyncio.to_thread(check, pair)
        self._remember_own(name)
        await self._switch_to(name)

    def choose_preset(self, name: str) -> None:
        """From the engine's next start on. Raises InputError for one that there is not."""
        if name != AUTO and name not in presets():
            raise InputError("preset_unknown", name=name, known=", ".join(presets()))
        self._engine.choose(preset=name)
        self._keep("preset", name)

    async def choose_drafter(self, name: str) -> None:
        """Who drafts for whatever pair is used: ``auto`` for its own drafter. An engine on
        this machine starts again with it."""
        self._engine.choose(drafter=name)
        self._keep("drafter", name)
        self._seen.clear()  # a pair needs no draft here that nobody drafts with
        if self.settings.engine_url is None:
            await self._engine.restart()

    def choose_source(self, name: str) -> None:
        """Where downloads come from."""
        if name in SOURCES:
            sources(name)
            self.source = name

    def plan_for(self, card_gb: int | None) -> None:
        """The plan that is shown is for a card of this size; None: for this machine's."""
        self.card_gb = card_gb if card_gb in CARDS else None

    def _remember_own(self, name: str) -> None:
        self._own = name
        self._keep("own_pair", name)

    async def _switch_to(self, name: str) -> None:
        self._engine.choose(pair=name, engine_url=None)
        self._keep("pair", name)
        self._keep("engine_url", None)
        await self._engine.restart()

    # What is shown

    def pairs(self) -> list[PairState]:
        progress = self._download.progress() if self._download else None
        here = self.settings.engine_url is None
        current = undrafted(self._engine.status().pair_name) if here else ""
        meant = self._meant = self._meant or meant_name(self.settings)
        rows = [
            PairState(
                name=known.name,
                title=known.title,
                here=self._seen_of(known.name)[0],
                begun=self._seen_of(known.name)[1],
                meant=known.name == meant,
                current=known.name == current,
                size=known.download_bytes,
                minutes=known.download_minutes,
                facts=(known.target, known.draft, str(known.tree), known.dtype),
                progress=progress if progress and progress.name == known.name else None,
            )
            for known in known_pairs().values()
        ]
        pocket = current.startswith(POCKET) or (here and self.settings.pair == POCKET)
        rows.append(PairState(POCKET, "EagleChat Pocket", True, meant == POCKET, pocket, 0))
        return [*rows, self._own_pair(progress)] if self._own else rows

    def _own_pair(self, progress: DownloadProgress | None) -> PairState:
        """What the person named, by folders or by models."""
        here, begun = self._seen_of(self._own)
        return PairState(
            name=self._own,
            title=self._own,
            here=here,
            begun=begun,
            loadable=bool(_models_of(self._own)),
            meant=False,
            current=self.settings.pair == self._own and self.settings.engine_url is None,
            size=0,
            progress=progress if progress and progress.name == self._own else None,
        )

    def _seen_of(self, name: str) -> tuple[bool, int]:
        """Whether a pair is here, else the bytes of it that are. Looked at anew every few
        seconds only: it opens files."""
        at, here, begun = self._seen.get(name, (0.0, False, 0))
        if time.monotonic() - at > LOOK_EVERY_S:
            try:
                here, begun = bool(locate(name, self._models, self._drafter)), 0
            except PairError:
                here, begun = False, sum(map(self._models.weight_bytes, _models_of(name)))
            self._seen[name] = (time.monotonic(), here, begun)
        return here, begun

    def downloading(self) -> bool:
        return self._download is not None and not self._download.progress().state.ended

    @property
    def device(self) -> str:
        return self._engine.status().device or engine_device(self.settings)

    def plan(self) -> MemoryPlan:
        """For the card that was picked, else this machine's, else one of 24 GB."""
        card = Card(self.card_gb * GIB) if self.card_gb else self._engine.card or Card(24 * GIB)
        known = planned_known(self._drafter)
        return make_plan(card, self._planned_pair(), self.settings.preset, None, known)

    def _planned_pair(self) -> PlannedPair:
        """The published pair where nothing else is meant for a GPU, or can be planned."""
        named = self.settings.pair
        name = PUBLISHED if named in (AUTO, POCKET) else named
        try:
            return planned_pair(name, self._models, self._drafter)
        except PairError:
            return planned_pair(PUBLISHED, self._models, self._drafter)

    def ledger(self, moment: Moment) -> Ledger:
        """Planned and real of the engine that runs."""
        rows, kv_tokens = self._planned_rows()
        return ledger(moment.sample, moment.engine, rows, kv_tokens)

    def command(self) -> list[str]:
        """The engine's command line as it is, but for the key."""
        status, setup = self._engine.status(), self._engine.setup
        if setup is None or not status.address:
            return []
        port = urlsplit(status.address).port or 0
        device: Device = "cuda" if status.device == "cuda" else "cpu"
        speculation, extra = setup.speculation, setup.arguments
        return engine_command(
            setup.pair, device, port, HIDDEN_KEY, speculation=speculation, extra=extra
        )

    @property
    def address(self) -> tuple[str, str, str]:
        """For other clients: base address, key, name of the model."""
        status = self._engine.status()
        base = f"{status.address}/v1" if status.address else ""
        return base, self._engine.api_key, status.pair_name

    def _planned_rows(self) -> tuple[dict[str, int], int | None]:
        pair = self._engine.pair
        if pair is None:
            return {}, None
        try:
            shapes = planned(pair)
        except PairError:
            return {}, None
        if self.device == "cpu":
            tokens = cpu_kv_tokens(pair.context_length)
            rows = cpu_rows(shapes, tokens)
        elif self._engine.card is not None:
            made = make_plan(self._engine.card, shapes, self.settings.preset)
            rows, tokens = made.rows, made.kv_tokens
        else:
            return {}, None
        return {row.key: row.bytes for row in rows}, tokens


def _models_of(name: str) -> tuple[str, ...]:
    """The models that a pair is downloaded from; none for one of folders."""
    try:
        return repositories(name)
    except PairError:
        return ()
