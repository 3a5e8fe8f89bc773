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


class Manager(ScriptedEngine):
    """The engine's manager, as the models' manager uses it."""

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
def manager(data_dir: Path) -> Manager:
    settings = Settings.load(data_dir=data_dir, device="cpu")
    return Manager(settings, locate("pocket"))


@pytest.fixture
def kept() -> dict[str, str]:
    return {}


@pytest.fixture
def shelf(manager: Manager, kept: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModelManager:
    """It looks what is here whenever it is asked."""
    monkeypatch.setattr(model_manager, "LOOK_EVERY_S", -1.0)
    return ModelManager(manager.settings, manager, kept.__setitem__)


async def do(shelf: ModelManager, what: str, value: str = "") -> None:
    """As the page's script asks for it."""
    await models_page.act(shelf, Payload({"what": what, "value": value}))


def sample(gpu: GpuSample | None = None) -> Moment:
    return Moment(MemorySample(0.0, 24 * GIB, 10 * GIB, GIB // 4, (), gpu))


def shown(shelf: ModelManager, moment: Moment | None = None) -> Shown:
    return Shown(models.pane(EN, shelf, moment or sample()))


def pair_of(shelf: ModelManager, name: str) -> PairState:
    return next(pair for pair in shelf.pairs() if pair.name == name)


async def downloaded(shelf: ModelManager, name: str) -> None:
    """Waits until it has ended, and looks what is here."""
    async with asyncio.timeout(30):
        while (progress := pair_of(shelf, name).progress) is None or not progress.state.ended:
            await asyncio.sleep(0.01)
    assert progress.state is DownloadState.FINISHED, progress


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_shown_in_both_languages(shelf: ModelManager, language: str) -> None:
    texts = Texts(language)
    page = Shown(models.pane(texts, shelf, sample()))
    assert texts("models.download") in page.one("listitem", "Qwen3-4B-Instruct-2507-zh").says
    assert "EagleChat Pocket" in page.says and "--speculative-num-steps" in page.says
    assert page.all("button", texts("models.copy_key"))
    assert page.says.count("{") == sum(code.says.count("{") for code in page.all("code"))


def test_the_command_is_the_engines_without_its_key(shelf: ModelManager) -> None:
    command = shelf.command()
    assert command[command.index("--api-key") + 1] == HIDDEN_KEY
    assert command[command.index("--port") + 1] == "31000"
    assert "--api-key" in shown(shelf).says and "the-secret" not in shown(shelf).says


def test_without_an_engine_there_is_no_command(shelf: ModelManager, manager: Manager) -> None:
    manager.pair = None
    assert shelf.command() == []
    assert EN("models.no_engine") in shown(shelf).says


async def test_using_another_pair_is_remembered(
    shelf: ModelManager, manager: Manager, kept: dict[str, str | None]
) -> None:
    await do(shelf, "use", "pocket")
    assert manager.settings.pair == "pocket" and manager.restarts == 1
    await do(shelf, "preset", "long")
    assert kept == {"pair": "pocket", "engine_url": None, "preset": "long"}
    assert manager.settings.preset == "long"


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
    shelf: ModelManager, what: str, value: str, error: type[ProductError], monkeypatch: Any
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with pytest.raises(error) as refused:
        await do(shelf, what, value)
    assert refused.value.words(Texts("zh")) and refused.value.words(EN)


async def test_a_pair_of_ones_own_by_folders(
    shelf: ModelManager, manager: Manager, tmp_path: Path
) -> None:
    for part, files in (("t", target_files()), ("d", draft_files())):
        (tmp_path / part).mkdir()
        for path, content in files.items():
            if "/" not in path:
                (tmp_path / part / path).write_bytes(content)
    name = f"{tmp_path / 't'},{tmp_path / 'd'}"
    await do(shelf, "own", name)
    assert manager.settings.pair == name and manager.restarts == 1
    shown = str(models.pane(EN, shelf, sample()))
    assert name in shown and EN("models.own_about") in shown
    (tmp_path / "t/tokenizer.json").unlink()
    with pytest.raises(PairError) as refused:
        await do(shelf, "own", name)
    assert refused.value.key == "pair_file_missing" and manager.restarts == 1
    with pytest.raises(PairError) as refused:
        await do(shelf, "own", EVIL)
    assert refused.value.key == "pair_not_downloadable"


async def test_a_pair_of_ones_own_by_models(
    shelf: ModelManager, manager: Manager, hub: Hub
) -> None:
    hub.models |= {"own/target": target_files(), "own/draft": draft_files()}
    await do(shelf, "own", "own/target,own/draft")
    await downloaded(shelf, "own/target,own/draft")
    assert EN("models.use") in shown(shelf).one("listitem", "own/target,own/draft").says
    await do(shelf, "use", "own/target,own/draft")
    assert manager.settings.pair == "own/target,own/draft"


async def test_a_card_can_be_tried_out(shelf: ModelManager) -> None:
    await do(shelf, "card", "8")
    assert not shelf.plan().fits
    page = shown(shelf).says
    assert "It does not fit" in page and "→ The pair small fits" in page
    await do(shelf, "card", "24")
    assert shelf.plan().fits
    await do(shelf, "card", "1000")
    assert shelf.card_gb is None


async def test_the_ledger_follows_the_engine(shelf: ModelManager, manager: Manager) -> None:
    made = shelf.ledger(await Monitor(lambda: sample().sample, manager).look())
    real = {row.key: row.real for row in made.rows}
    assert real["target"] == int(0.05 * GIB)
    planned = {row.key: row.planned for row in made.rows}
    assert planned["target"] and planned["kv_target"], "planned from the pair's own shapes"


def test_where_the_cache_ran_full_is_marked_in_the_graph(shelf: ModelManager) -> None:
    points = [Point(at, 9 * GIB, 10 * GIB, None, 0.5, at in (1, 3)) for at in range(4)]
    graph = models.graph_view(points)
    assert graph and len(graph["full"]) == 2
    assert EN("models.line_full") in shown(shelf, Moment(sample().sample, course=points)).says


def test_on_a_gpu_plan_and_reality_stand_side_by_side(manager: Manager, kept: dict) -> None:
    card = GpuSample("RTX 4090", 20 * GIB, 24 * GIB, 18 * GIB, 80, 60, 300.0)
    manager.card = Card(24 * GIB)
    shelf = ModelManager(manager.settings, manager, kept.__setitem__)
    page = shown(shelf, sample(card)).says
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
    shelf: ModelManager, manager: Manager, kept: dict[str, str], hub: Hub
) -> None:
    await do(shelf, "own", "Qwen/Qwen3-4B-Instruct-2507")
    await downloaded(shelf, "Qwen/Qwen3-4B-Instruct-2507")
    assert not pair_of(shelf, "published").here, "its draft is not"
    await do(shelf, "drafter", "ngram")
    assert (kept["drafter"], manager.settings.drafter, manager.restarts) == ("ngram", "ngram", 1)
    assert pair_of(shelf, "published").here, "which nobody needs now"
    assert EN("models.drafters.ngram") in shown(shelf).says
    assert not any(row.key in ("draft", "kv_draft") and row.bytes for row in shelf.plan().rows)
    await do(shelf, "own", "Qwen/Qwen3-4B-Instruct-2507")
    assert manager.settings.pair == kept["pair"] == "Qwen/Qwen3-4B-Instruct-2507"
    await do(shelf, "drafter", "anything")
    assert kept["drafter"] == "auto"


async def test_a_download_that_was_killed_says_so_and_goes_on(
    shelf: ModelManager, manager: Manager, kept: dict[str, str], hub: Hub
) -> None:
    name = "Qwen/Qwen3-4B-Instruct-2507,Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh"
    await do(shelf, "own", name)
    while not (progress := pair_of(shelf, name).progress) or progress.done <= 100_000:
        await asyncio.sleep(0.01)
    await do(shelf, "pause")  # as if the app had ended here
    again = ModelManager(manager.settings, manager, kept.__setitem__, kept["own_pair"])
    for pair in again.pairs():
        if pair.name in (name, "published"):
            assert not pair.here and pair.begun >= 100_000
    page = shown(again).says
    assert "of it are here already" in page and "Go on" in page
    await do(shelf, "resume", name)
    await downloaded(shelf, name)
    assert all(pair.here for pair in again.pairs() if pair.name in (name, "published"))


async def test_folders_that_are_gone_are_not_offered_for_download(
    manager: Manager, kept: dict[str, str]
) -> None:
    shelf = ModelManager(manager.settings, manager, kept.__setitem__, "/nowhere,/nowhere")
    assert EN("models.download") not in shown(shelf).one("listitem", "/nowhere,/nowhere").says


async def test_a_download_from_the_page(shelf: ModelManager, hub: Hub) -> None:
    await do(shelf, "download", "published")
    with pytest.raises(PairError) as refused:
        await do(shelf, "download", "mnn")
    assert refused.value.key == "download_busy"
    page = shown(shelf)
    assert page.one("button", EN("models.pause"))
    others = page.all("button", EN("models.download"))
    assert others and all("disabled" in one.states for one in others)
    await do(shelf, "pause")
    assert shown(shelf).one("button", EN("models.resume"))
    hub.delay_s = 0
    await do(shelf, "resume", "published")
    await downloaded(shelf, "published")
    assert pair_of(shelf, "published").here
    assert shown(shelf).one("button", EN("models.use"))


async def test_the_foot_invites_to_what_the_card_is_meant_for(
    shelf: ModelManager, manager: Manager, kept: dict[str, str], hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert models.invitation(EN, shelf) == "", "nothing without a card"
    monkeypatch.setattr(model_manager, "meant_name", lambda settings: "published")
    shelf = ModelManager(manager.settings, manager, kept.__setitem__)
    assert "about 8.5 GB" in models.invitation(EN, shelf)
    await do(shelf, "download", "published")
    while not (progress := pair_of(shelf, "published").progress) or not progress.done:
        await asyncio.sleep(0.01)
    assert "MB" in models.invitation(EN, shelf)
    hub.delay_s = 0
    await downloaded(shelf, "published")
    assert "is here now: use it" in models.invitation(EN, shelf)
    again = ModelManager(manager.settings, manager, kept.__setitem__)
    assert models.invitation(EN, again) == "", "once it is here nothing is left to say"


def test_a_page_of_evil_words_runs_nothing(shelf: ModelManager, manager: Manager) -> None:
    manager.api_key = EVIL
    html = str(models.pane(EN, shelf, sample()))
    assert "<script>" not in html and "&lt;script&gt;" in html
