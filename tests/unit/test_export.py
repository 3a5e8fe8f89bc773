"""What is taken along is what was said and measured, and whoever has it can recompute it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from chatapp.chat.store import Store
from chatapp.chat.traces import Traces, trace_from
from chatapp.domain import ReplyMetrics
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Arrival, Trace
from chatapp.settings import Settings
from chatapp.ui.server.downloads import routes

TRACE = Trace(True, 9, 0, tuple(range(8)), (4, 3), [Arrival(0.2, 1, 0), Arrival(0.6, 8, 2)])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "chats.sqlite3")


@pytest.fixture
def page(store: Store, tmp_path: Path) -> TestClient:
    services = SimpleNamespace(store=store)
    return TestClient(Starlette(routes=routes(services, Settings(data_dir=tmp_path))))


@pytest.fixture
def conversation(store: Store) -> int:
    made = store.create_conversation("猫 <b>").id
    _, reply = store.add_turn(made, "猫是什么？", "zh")
    store.update_message(reply.id, text="**动物**。", figures=metrics_of(TRACE))
    Traces(store).keep(reply.id, TRACE)
    return made


def test_every_figure_in_the_file_follows_from_its_record(
    page: TestClient, conversation: int
) -> None:
    answer = page.get(f"/eaglechat/conversation/{conversation}.json")
    assert "attachment" in answer.headers["content-disposition"]
    user, reply = answer.json()["messages"]
    assert (user["text"], user["figures"], user["trace"]) == ("猫是什么？", None, None)
    again = metrics_of(trace_from(reply["trace"]))
    assert reply["figures"] == json.loads(json.dumps({n: getattr(again, n) for n in _NAMES}))
    assert reply["figures"]["accept_length"] == 3.5


_NAMES = tuple(ReplyMetrics.__dataclass_fields__)


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh", "> 推测解码 开 · 8 个词元"), ("en", "> speculation on · 8 tokens")],
)
def test_the_readable_file_has_text_and_figures(
    page: TestClient, conversation: int, language: str, words: str
) -> None:
    url = f"/eaglechat/conversation/{conversation}.md"
    text = page.get(url, params={"language": language}).text
    assert text.startswith("# 猫 <b>\n")
    assert "猫是什么？" in text and "**动物**。" in text
    assert words in text and "3.50" in text and "17.5" in text


@pytest.mark.parametrize("form", ["json", "md"])
def test_a_conversation_that_is_gone_is_not_there(page: TestClient, form: str) -> None:
    assert page.get(f"/eaglechat/conversation/77.{form}").status_code == 404
