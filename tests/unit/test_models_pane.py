"""The Models pane: what it offers, what it shows, and that every value is escaped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatapp.application import model_manager
from chatapp.application.model_manager import HIDDEN_KEY, ModelManager, PairState
from chatapp.application.monitor import Moment, Monitor
from chatapp.domain import Card, GpuSample, MemorySample, Pair
from chatapp.engine.planning.careful import Setup
from chatapp.engine.planning.planner import make_plan
from chatapp.errors import InputError, PairError, ProductError, UsageError
from chatapp.measure.machine.ledger import Point, ledger
from chatapp.pairs.download.download_progress import DownloadProgress, DownloadState, FileProgress
from chatapp.pairs.locate import locate
from chatapp.pairs.planned import planned_known
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui import models_page
from chatapp.ui.panes import models
from chatapp.ui.payload import Payload
from chatapp.units import GIB
from tests.fakes.engine import ScriptedEngine
from tests.fakes.hub import Hub, serve
from tests.fakes.toy_pair import draft_files, target_files
from tests.shown import Shown

EN = Texts("en")
EVIL = """<script>alert(1)</script>"'&"""


class ManagedEngine(ScriptedEngine):
    """The app's engine, as the manager of the models uses it."""

    def __init__(self, settings: Settings, pair: Pair | None) -> None:
        super().__init__()
        self.settings, self.pair, self.restarts = settings, pair, 0
        self.api_key = "the-secret"
        self.card: Card | None = None

    @property
    def setup(self) -> Setup | None:
        return Setup(self.pair, self.settings.engine_args) if self.pair else None

    def choose(self, **choices: object) -> None:
        self.settings = self.settings.model_copy(update=choices)

    async def restart(self) -> None:
        self.restarts += 1


@pytest.fixture
def engine(data_dir: Path) -> ManagedEngine:
    settings = Settings.load(data_dir=data_dir, device="cpu")
    return ManagedEngine(settings, locate("pocket"))


@pytest.fixture
def kept() -> dict[str, str]:
    return {}


@pytest.fixture
def manager(
    engine: ManagedEngine, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> ModelManager:
    """It looks what is here whenever it is asked."""
    monkeypatch.setattr(model_manager, "LOOK_EVERY_S", -1.0)
    return ModelManager(engine.settings, engine, kept.__setitem__)


async def do(manager: ModelManager, what: str, value: str = "") -> None:
    """As the page's script asks for it."""
    await models_page.act(manager, Payload({"what": what, "value": value}))


def sample(gpu: GpuSample | None = None) -> Moment:
    return Moment(MemorySample(0.0, 24 * GIB, 10 * GIB, GIB // 4, (), gpu))


def shown(manager: ModelManager, moment: Moment | None = None) -> Shown:
    return Shown(models.pane(EN, manager, moment or sample()))


def pair_of(manager: ModelManager, name: str) -> PairState:
    return next(pair for pair in manager.pairs() if pair.name == name)


async def downloaded(manager: ModelManager, name: str) -> None:
    """Waits until it has ended, and looks what is here."""
    async with asyncio.timeout(30):
        while (progress := pair_of(manager, name).progress) is None or not progress.state.ended:
            await asyncio.sleep(0.01)
    assert progress.state is DownloadState.FINISHED, progress


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_shown_in_both_languages(manager: ModelManager, language: str) -> None:
    texts = Texts(language)
    page = Shown(models.pane(texts, manager, sample()))
    assert texts("models.download") in page.one("listitem", "Qwen3-4B-Instruct-2507-zh").says
    assert "EagleChat Pocket" in page.says and "--speculative-num-steps" in page.says
    assert page.all("button", texts("models.copy_key"))
    assert page.says.count("{") == sum(code.says.count("{") for code in page.all("code"))


def test_the_command_is_the_engines_without_its_key(manager: ModelManager) -> None:
    command = manager.command()
    assert command[command.index("--api-key") + 1] == HIDDEN_KEY
    assert command[command.index("--port") + 1] == "31000"
    assert "--api-key" in shown(manager).says and "the-secret" not in shown(manager).says


def test_without_an_engine_there_is_no_command(
    manager: ModelManager, engine: ManagedEngine
) -> None:
    engine.pair = None
    assert manager.command() == []
    assert EN("models.no_engine") in shown(manager).says


async def test_using_another_pair_is_remembered(
    manager: ModelManager, engine: ManagedEngine, kept: dict[str, str | None]
) -> None:
    await do(manager, "use", "pocket")
    assert engine.settings.pair == "pocket" and engine.restarts == 1
    await do(manager, "preset", "long")
    assert kept == {"pair": "pocket", "engine_url": None, "preset": "long"}
    assert engine.settings.preset == "long"


@pytest.mark.parametrize(
    ("what", "value", "error"),
    [
        ("use", EVIL, PairError),
        ("preset", EVIL, InputError),
        ("download", "nothing", PairError),
        ("source", "mirror", UsageError),
        ("nonsense", "", ProductError),
    ],
)
async def test_what_cannot_be_done_is_said(
    manager: ModelManager, what: str, value: str, error: type[ProductError], monkeypatch: Any
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with pytest.raises(error) as refused:
        await do(manager, what, value)
    assert refused.value.words(Texts("zh")) and refused.value.words(EN)


async def test_a_pair_of_ones_own_by_folders(
    manager: ModelManager, engine: ManagedEngine, tmp_path: Path
) -> None:
    for part, files in (("t", target_files()), ("d", draft_files())):
        (tmp_path / part).mkdir()
        for path, content in files.items():
            if "/" not in path:
                (tmp_path / part / path).write_bytes(content)
    name = f"{tmp_path / 't'},{tmp_path / 'd'}"
    await do(manager, "own", name)
    assert engine.settings.pair == name and engine.restarts == 1
    shown = str(models.pane(EN, manager, sample()))
    assert name in shown and EN("models.own_about") in shown
    (tmp_path / "t/tokenizer.json").unlink()
    with pytest.raises(PairError) as refused:
        await do(manager, "own", name)
    assert refused.value.key == "pair_file_missing" and engine.restarts == 1
    with pytest.raises(PairError) as refused:
        await do(manager, "own", EVIL)
    assert refused.value.key == "pair_not_downloadable"


async def test_a_pair_of_ones_own_by_models(
    manager: ModelManager, engine: ManagedEngine, hub: Hub
) -> None:
    hub.models |= {"own/target": target_files(), "own/draft": draft_files()}
    await do(manager, "own", "own/target,own/draft")
    await downloaded(manager, "own/target,own/draft")
    assert EN("models.use") in shown(manager).one("listitem", "own/target,own/draft").says
    await do(manager, "use", "own/target,own/draft")
    assert engine.settings.pair == "own/target,own/draft"


async def test_a_card_can_be_tried_out(manager: ModelManager) -> None:
    await do(manager, "card", "8")
    assert not manager.plan().fits
    page = shown(manager).says
    assert "It does not fit" in page and "→ The pair small fits" in page
    await do(manager, "card", "24")
    assert manager.plan().fits
    await do(manager, "card", "1000")
    assert manager.card_gb is None


async def test_the_ledger_follows_the_engine(manager: ModelManager, engine: ManagedEngine) -> None:
    made = manager.ledger(await Monitor(lambda: sample().sample, engine).look())
    real = {row.key: row.real for row in made.rows}
    assert real["target"] == int(0.05 * GIB)
    planned = {row.key: row.planned for row in made.rows}
    assert planned["target"] and planned["kv_target"], "planned from the pair's own shapes"


def test_where_the_cache_ran_full_is_marked_in_the_graph(manager: ModelManager) -> None:
    points = [Point(at, 9 * GIB, 10 * GIB, None, 0.5, at in (1, 3)) for at in range(4)]
    graph = models.graph_view(points)
    assert graph and len(graph["full"]) == 2
    assert EN("models.line_full") in shown(manager, Moment(sample().sample, course=points)).says


def test_on_a_gpu_plan_and_reality_stand_side_by_side(engine: ManagedEngine, kept: dict) -> None:
    card = GpuSample("RTX 4090", 20 * GIB, 24 * GIB, 18 * GIB, 80, 60, 300.0)
    engine.card = Card(24 * GIB)
    manager = ModelManager(engine.settings, engine, kept.__setitem__)
    page = shown(manager, sample(card)).says
    assert "Video memory: 24.0 GB" in page and "18.0" in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_plan_and_ledger_have_the_same_rows_in_words(language: str) -> None:
    """Under the same names; the plan says of each where it comes from."""
    texts, plan = Texts(language), make_plan(Card(24 * GIB, GIB), planned_known()[0])
    card = GpuSample("RTX 4090", 20 * GIB, 24 * GIB, 18 * GIB, 80, 60, 300.0)
    beside = ledger(sample(card).sample, None, {row.key: row.bytes for row in plan.rows})
    planned, real = models.plan_view(texts, plan)["rows"], models.ledger_view(texts, beside)["rows"]
    names = {row["label"] for row in real}
    apart = {texts("plan.rows.others"), texts("plan.rows.reserve")}
    assert {row["label"] for row in planned} - apart < names
    assert {texts(f"ledger.rows.{key}") for key in ("rest", "engine", "others", "free")} < names
    assert all(row["source"] and "{" not in row["source"] for row in planned)


def test_lines_and_marks_lie_where_they_belong() -> None:
    points = [Point(at, at * GIB, 10 * GIB, None, at / 10, at == 5) for at in range(11)]
    graph = models.graph_view(points)
    assert graph and graph["full"] == [300.0]
    (used,), (kv,) = graph["lines"]["used"], graph["lines"]["kv"]
    assert used.startswith("0.0,120.0 ") and used.endswith("600.0,0.0")
    assert graph["lines"]["engine"] == [] and kv.split()[5] == "300.0,60.0"
    gone = models.graph_view([*points[:3], *points[9:]])
    assert gone and [len(line.split()) for line in gone["lines"]["used"]] == [3, 2]
    assert models.graph_view(points[:1]) is None


def test_a_download_is_told_in_full() -> None:
    files = (FileProgress("m", "a.safetensors", 3_000_000_000, 1_500_000_000),)
    progress = DownloadProgress("published", DownloadState.FETCHING, "the hub", files, 15_000_000.0)
    told = models.download_words(EN, progress)
    assert told == "downloading · 1.50 GB / 3.00 GB · 15.0 MB/s · 1:40 left · the hub"
    state = PairState("published", EVIL, False, True, False, 8, (EVIL,), progress)
    told = models.pair_view(EN, state, True)
    assert told["share"] == 50.0 and told["running"] and not told["paused"]
    error = {"source": EVIL, "model": EVIL}
    failed = DownloadProgress("x", DownloadState.FAILED, error="source_refused", error_values=error)
    assert "refuses" in models.download_words(EN, failed)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    models_there = {
        "Qwen/Qwen3-4B-Instruct-2507": target_files(2000),
        "Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh": draft_files(),
    }
    with serve(Hub(models_there, delay_s=0.01)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield hub


async def test_who_drafts_is_chosen_on_the_page_and_kept(
    manager: ModelManager, engine: ManagedEngine, kept: dict[str, str], hub: Hub
) -> None:
    await do(manager, "own", "Qwen/Qwen3-4B-Instruct-2507")
    await downloaded(manager, "Qwen/Qwen3-4B-Instruct-2507")
    assert not pair_of(manager, "published").here, "its draft is not"
    await do(manager, "drafter", "ngram")
    assert (kept["drafter"], engine.settings.drafter, engine.restarts) == ("ngram", "ngram", 1)
    assert pair_of(manager, "published").here, "which nobody needs now"
    assert EN("models.drafters.ngram") in shown(manager).says
    assert not any(row.key in ("draft", "kv_draft") and row.bytes for row in manager.plan().rows)
    await do(manager, "own", "Qwen/Qwen3-4B-Instruct-2507")
    assert engine.settings.pair == kept["pair"] == "Qwen/Qwen3-4B-Instruct-2507"
    await do(manager, "drafter", "anything")
    assert kept["drafter"] == "auto"


async def test_a_download_that_was_killed_says_so_and_goes_on(
    manager: ModelManager, engine: ManagedEngine, kept: dict[str, str], hub: Hub
) -> None:
    name = "Qwen/Qwen3-4B-Instruct-2507,Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh"
    await do(manager, "own", name)
    while not (progress := pair_of(manager, name).progress) or progress.done <= 100_000:
        await asyncio.sleep(0.01)
    await do(manager, "pause")  # as if the app had ended here
    again = ModelManager(engine.settings, engine, kept.__setitem__, kept["own_pair"])
    for pair in again.pairs():
        if pair.name in (name, "published"):
            assert not pair.here and pair.begun >= 100_000
    page = shown(again).says
    assert "of it are here already" in page and "Go on" in page
    await do(manager, "resume", name)
    await downloaded(manager, name)
    assert all(pair.here for pair in again.pairs() if pair.name in (name, "published"))


async def test_folders_that_are_gone_are_not_offered_for_download(
    engine: ManagedEngine, kept: dict[str, str]
) -> None:
    manager = ModelManager(engine.settings, engine, kept.__setitem__, "/nowhere,/nowhere")
    assert EN("models.download") not in shown(manager).one("listitem", "/nowhere,/nowhere").says


async def test_a_download_from_the_page(manager: ModelManager, hub: Hub) -> None:
    await do(manager, "download", "published")
    with pytest.raises(PairError) as refused:
        await do(manager, "download", "mnn")
    assert refused.value.key == "download_busy"
    page = shown(manager)
    assert page.one("button", EN("models.pause"))
    others = page.all("button", EN("models.download"))
    assert others and all("disabled" in one.states for one in others)
    await do(manager, "pause")
    assert shown(manager).one("button", EN("models.resume"))
    hub.delay_s = 0
    await do(manager, "resume", "published")
    await downloaded(manager, "published")
    assert pair_of(manager, "published").here
    assert shown(manager).one("button", EN("models.use"))


async def test_the_foot_invites_to_what_the_card_is_meant_for(
    manager: ModelManager, engine: ManagedEngine, kept: dict[str, str], hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert models.invitation(EN, manager) == "", "nothing without a card"
    monkeypatch.setattr(model_manager, "meant_name", lambda settings: "published")
    manager = ModelManager(engine.settings, engine, kept.__setitem__)
    assert "about 8.5 GB" in models.invitation(EN, manager)
    await do(manager, "download", "published")
    while not (progress := pair_of(manager, "published").progress) or not progress.done:
        await asyncio.sleep(0.01)
    assert "MB" in models.invitation(EN, manager)
    hub.delay_s = 0
    await downloaded(manager, "published")
    assert "is here now: use it" in models.invitation(EN, manager)
    again = ModelManager(engine.settings, engine, kept.__setitem__)
    assert models.invitation(EN, again) == "", "once it is here nothing is left to say"


def test_a_page_of_evil_words_runs_nothing(manager: ModelManager, engine: ManagedEngine) -> None:
    engine.api_key = EVIL
    html = str(models.pane(EN, manager, sample()))
    assert "<script>" not in html and "&lt;script&gt;" in html
