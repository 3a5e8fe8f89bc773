"""What the page says of an engine elsewhere: what it tells, what is not known, and why."""

from __future__ import annotations

import html
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatapp import locations
from chatapp.application.connection import Connection
from chatapp.application.monitor import Moment
from chatapp.chat.store import Store
from chatapp.domain import (
    Elsewhere,
    EngineState,
    EngineStatus,
    MemorySample,
    Message,
    MessageState,
    Notice,
    ReplyMetrics,
    Role,
    Tree,
)
from chatapp.engine.remote.address import kept_key
from chatapp.errors import InputError
from chatapp.measure.machine.ledger import EngineMemory
from chatapp.settings import Settings
from chatapp.texts import LANGUAGES, Texts
from chatapp.ui.models_page import act
from chatapp.ui.panes import composer, elsewhere, engine_box, figures, memory, rail
from chatapp.ui.payload import Payload
from chatapp.units import GIB, NONE

URL, EN = "http://gpu-host:30000", Texts("en")
THERE = Elsewhere("gpu-host:30000", False, "NVIDIA L4", "0.5.23", 8192)
READY = EngineStatus(
    EngineState.READY,
    "qwen",
    tree=Tree(5, 4, 16),
    drafter="EAGLE3",
    dtype="bfloat16",
    device="cuda",
    address=URL,
    elsewhere=THERE,
)


class Manager:
    """In place of the engine manager: what was chosen, how often it started."""

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self.settings, self.restarts = Settings(data_dir=data_dir, **settings), 0
        self.now = READY

    def status(self) -> EngineStatus:
        return self.now

    def choose(self, **choices: object) -> None:
        self.settings = self.settings.model_copy(update=choices)

    async def restart(self) -> None:
        self.restarts += 1


@pytest.fixture
def manager(data_dir: Path) -> Manager:
    return Manager(data_dir)


@pytest.fixture
def store(data_dir: Path) -> Store:
    return Store(locations.store(data_dir))


async def do(manager: Manager, store: Store, what: str, url: str = "", key: str = "") -> None:
    """As the page's script asks for it."""
    connection = Connection(manager, store.set_preference)
    payload = Payload({"what": what, "value": url, "also": key})
    await act(None, payload, connection)  # type: ignore[arg-type]


def words(shown: object) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", str(shown))))


async def test_connecting_is_kept_and_the_key_apart(manager: Manager, store: Store) -> None:
    await do(manager, store, "connect", f"{URL}/v1", "secret")
    assert manager.settings.engine_url == URL and manager.restarts == 1
    assert store.preference("engine_url") == URL
    assert kept_key(manager.settings.data_dir, URL) == "secret"
    assert b"secret" not in locations.store(manager.settings.data_dir).read_bytes()
    await do(manager, store, "connect", URL)
    assert kept_key(manager.settings.data_dir, URL) == "secret", "not typed again: unchanged"
    await do(manager, store, "disconnect")
    assert manager.settings.engine_url is None and store.preference("engine_url") is None
    assert not locations.engine_key(manager.settings.data_dir).exists()


async def test_a_key_does_not_go_to_another_address(
    data_dir: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EAGLECHAT_ENGINE_KEY", "for the first")
    manager = Manager(data_dir, engine_url=URL)
    await do(manager, store, "connect", "http://other:30000")
    assert manager.settings.engine_key is None and kept_key(data_dir, "http://other:30000") == ""


async def test_what_is_no_address_is_said_and_nothing_changes(
    manager: Manager, store: Store
) -> None:
    with pytest.raises(InputError) as refused:
        await do(manager, store, "connect", "gpu-host")
    assert "gpu-host" in refused.value.words(EN) and manager.restarts == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_panel_says_what_it_tells_and_who_reads_along(language: str) -> None:
    texts = Texts(language)
    shown = words(engine_box.engine(texts, READY))
    for told in ("qwen", "EAGLE-3", "5/4/16", "8,192", "NVIDIA L4", "bfloat16", "0.5.23", URL):
        assert told in shown
    assert texts("elsewhere.goes_there_open", host="gpu-host:30000") in shown
    assert texts("elsewhere.states.ready") in words(rail.foot(texts, READY))


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_the_plug_in_the_toggle_is_grey_with_the_reason(
    language: str, manager: Manager
) -> None:
    texts, reason = Texts(language), "switch.plugin_elsewhere"
    manager.settings = Settings(data_dir=manager.settings.data_dir, engine_url=URL)
    manager.now = status = replace(
        READY, switch=False, switch_reason=reason, elsewhere=replace(THERE, counts=False)
    )
    controls = str(composer.controls(texts, status, True, False, False))
    assert "disabled" in controls and texts(reason) in controls
    form = words(elsewhere.form(texts, Connection(manager, lambda *_: None)))
    assert texts("elsewhere.uncounted") in form and "pip install --no-deps" in form


def test_what_happened_is_news_for_a_minute_and_stays_in_the_panel() -> None:
    other = {"before": "qwen", "now": "llama"}
    for age, is_news in ((1.0, True), (120.0, False)):
        notice = Notice("other_engine", time.time() - age, other)
        status = replace(READY, elsewhere=replace(THERE, notice=notice))
        sentence = EN("elsewhere.notices.other_engine", **other)
        assert (sentence in str(composer.controls(EN, status, True, False, False))) is is_news
        assert sentence in words(engine_box.engine(EN, status))


def test_a_lost_engine_is_a_card_with_one_button_and_no_log() -> None:
    failed = {"failure": "remote_unreachable", "failure_values": {"host": "gpu-host:30000"}}
    card = str(engine_box.card(EN, replace(READY, state=EngineState.FAILED, **failed)))
    assert "gpu-host:30000 cannot be reached" in card and EN("elsewhere.connect_now") in card
    assert EN("page.engine.log") not in card


def test_the_memory_is_the_engine_s_and_this_machine_s_stands_apart() -> None:
    told = EngineMemory(target_bytes=8 * GIB, kv_bytes=3 * GIB, kv_tokens=51_677)
    here = MemorySample(0.0, 16 * GIB, 8 * GIB, GIB)
    shown = words(memory.memory(EN, Moment(here, told, 0.25), THERE))
    assert "Memory at gpu-host:30000" in shown and "8.0 GB" in shown
    assert "25% of the KV cache's 51,677 tokens" in shown
    apart = shown.index("This machine")
    assert shown.index("Target") < apart < shown.index("This app")
    assert "machine 8.0 / 16.0" not in shown
    silent = words(memory.memory(EN, Moment(here), THERE))
    assert EN("elsewhere.memory_untold") in silent


def test_steps_that_are_not_told_are_said_to_be_unknown() -> None:
    so_far = ReplyMetrics(True, 9, 27, 0, 0, 0, (), None, 90.0, 0.1, 0.4)
    reply = Message(2, 1, Role.ASSISTANT, "x", MessageState.STREAMING, 0.0, figures=so_far)
    shown = words(figures.panel(EN, reply, True, [reply], Tree(5, 4, 16)))
    assert EN("page.figures.untold") in shown and f"27 / {NONE}" in shown and "27 / 0" not in shown
