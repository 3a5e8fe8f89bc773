"""What a tab sees when things are done in it, without Gradio and without a browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.testclient import TestClient

from chatapp import locations
from chatapp.application.experiments.experiments import Experiments
from chatapp.application.live_replies import LiveReplies
from chatapp.application.monitor import Monitor
from chatapp.application.services import Services
from chatapp.chat.auto import Auto
from chatapp.chat.store import Store
from chatapp.domain import (
    EngineState,
    MemorySample,
    MessageState,
    Role,
)
from chatapp.errors import StoreError
from chatapp.measure.compare.arms import Setting
from chatapp.settings import Settings
from chatapp.texts import Texts
from chatapp.ui.page import Page
from chatapp.ui.panes.empty import examples
from chatapp.ui.server import search_route
from chatapp.ui.server.bootstrap import Bootstrap
from chatapp.ui.server.first_page import first_page
from chatapp.ui.server.status_polling import StatusPolling
from chatapp.ui.view_builder import PANES, View
from tests.fakes.engine import ScriptedEngine
from tests.shown import Shown

SETTING = Setting("m", "cpu", "pocket", "3/1/4", "float32")


class Rig:
    """The page on an engine that says three words: one at once, the others when it may ``go``."""

    def __init__(self, path: Path, language: str = "en") -> None:
        self.go = asyncio.Event()
        self.engine = ScriptedEngine(("Hello", " there", "."), gain=1, pace=self.go.wait)
        self.store = Store(path / "store.sqlite3")
        replies = LiveReplies(self.store, self.engine)
        settings = Settings(language=language, data_dir=path)
        experiments = Experiments(
            self.store, self.engine, Auto(self.store, lambda: SETTING), settings
        )
        monitor = Monitor(lambda: MemorySample(0.0, 8, 4, 1), self.engine)
        self.page = Page(Services(self.store, self.engine, replies, monitor, experiments), settings)

    async def do(self, action: str, tab: str = "tab", **data: Any) -> list[View]:
        return [view async for view in self.page.act(tab, action, data)]

    async def begin(self, action: str, tab: str = "tab", **data: Any) -> Following:
        following = Following(self.page.act(tab, action, data))
        await following.until(lambda seen: len(seen) > 0)
        return following


class Following:
    """An action that goes on, read in the background."""

    def __init__(self, views: AsyncIterator[View]) -> None:
        self.seen: list[View] = []
        self.task = asyncio.create_task(self._read(views))

    async def _read(self, views: AsyncIterator[View]) -> None:
        async for view in views:
            self.seen.append(view)

    async def until(self, holds: Callable[[list[View]], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds(self.seen):
                await asyncio.sleep(0.01)

    async def end(self) -> list[View]:
        await asyncio.wait_for(self.task, 5)
        return self.seen


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    yield made
    await made.page.services.replies.stop_all()
    made.store.close()


def last(views: list[View], pane: str) -> Any:
    return next(view[pane] for view in reversed(views) if pane in view)


async def test_the_script_may_ask_for_what_the_table_holds(rig: Rig) -> None:
    from chatapp.ui.server.app import build_app

    events = [
        target[1] for one in build_app(rig.page).config["dependencies"] for target in one["targets"]
    ]
    assert events == [*(f"do_{name}" for name in rig.page.actions), "unload"]


async def test_every_button_asks_for_what_the_table_holds(rig: Rig) -> None:
    templates = "".join(one.read_text("utf-8") for one in locations.assets().glob("html/*.html"))
    scripts = "".join(one.read_text("utf-8") for one in locations.assets().glob("js/*.js"))
    asked = set(
        re.findall(r'data-(?:act|change)="(\w+)"|<button type="submit" value="(\w+)"', templates)
    )
    asked |= set(re.findall(r'\bact\("(\w+)"()', scripts))
    names = {name for pair in asked for name in pair if name}
    assert len(names) > 17 and names <= set(rig.page.actions)


async def test_hello_fills_every_pane(rig: Rig) -> None:
    views = await rig.do("hello", browser="en-US")
    assert set(views[0]) == set(PANES)
    assert escape(examples("en")[0]) in views[0]["transcript"]
    assert views[0]["hub"]["conversation"] is None and not views[0]["hub"]["running"]


async def test_a_first_message_makes_a_conversation_and_a_reply(rig: Rig) -> None:
    rig.go.set()
    await rig.do("hello")
    views = await rig.do("send", text="Hi **there** <b>", nonce="n1")
    assert views[0]["hub"]["sent"] == "n1" and views[0]["hub"]["running"]
    assert not views[-1]["hub"]["running"] and views[-1]["live"] == ""
    assert "Hi **there** &lt;b&gt;" in views[-1]["transcript"]
    assert "Hello there." in views[-1]["transcript"] and "speculation on" in views[-1]["transcript"]
    [conversation] = rig.store.conversations()
    assert views[-1]["hub"]["conversation"] == conversation.id
    [current] = [one for one in Shown(views[-1]["rail"]).parts if "current" in one.states]
    assert current.says == conversation.title


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n\t\u200b", "is empty"),
        ("x" * 1_000_000, "too large"),
        ("x" * 500, "500 tokens"),
    ],
)
async def test_what_cannot_be_sent_is_said_and_leaves_nothing_behind(
    rig: Rig, text: str, words: str
) -> None:
    await rig.do("hello")
    [view] = await rig.do("send", text=text, nonce="n")
    assert words in view["hub"]["notice"] and "sent" not in view["hub"]
    assert rig.store.conversations() == []
    assert view["hub"]["conversation"] is None


async def test_control_characters_and_half_characters_are_cleaned(rig: Rig) -> None:
    rig.go.set()
    await rig.do("hello")
    views = await rig.do("send", text="a\x00b\ud83dc\x1b[31m", nonce="n")
    assert "ab\ufffdc[31m" in last(views, "transcript")


async def test_fifty_thousand_emoji_are_answered_with_a_sentence(rig: Rig) -> None:
    await rig.do("hello")
    [view] = await rig.do("send", text="😀" * 50_000, nonce="n")
    assert "50000 tokens" in view["hub"]["notice"] or "50,000" in view["hub"]["notice"]


async def test_the_toggle_is_remembered_and_counts_from_the_next_message(rig: Rig) -> None:
    await rig.do("hello")
    sending = await rig.begin("send", text="one", nonce="n")
    [view] = await rig.do("toggle", value="off")
    assert "counts from the next message" in view["controls"]
    assert "checked" not in Shown(view["controls"]).one("switch").states
    assert Shown(view["rail"]).one("img", "speculation off")
    rig.go.set()
    views = await sending.end()
    assert "speculation on" in last(views, "transcript")
    assert "counts from the next message" not in last(views, "controls")
    views = await rig.do("send", text="two", nonce="m")
    assert [asked.speculation for asked in rig.engine.asked] == [True, False]
    assert "speculation off" in last(views, "transcript")


async def test_the_toggle_of_a_new_conversation_is_that_of_its_first_message(rig: Rig) -> None:
    rig.go.set()
    await rig.do("hello")
    await rig.do("toggle", value="off")
    await rig.do("send", text="one", nonce="n")
    assert [asked.speculation for asked in rig.engine.asked] == [False]
    assert not rig.store.conversations()[0].speculation


async def test_stop_keeps_what_was_written(rig: Rig) -> None:
    await rig.do("hello")
    sending = await rig.begin("send", text="one", nonce="n")
    await sending.until(lambda seen: "Hello" in last(seen, "live"))
    await rig.do("stop")
    views = await sending.end()
    assert "Hello" in last(views, "transcript")
    assert "What was written stays" in last(views, "transcript")
    assert rig.store.messages(1)[-1].state is MessageState.STOPPED


async def test_closing_the_tab_stops_its_reply(rig: Rig) -> None:
    await rig.do("hello")
    sending = await rig.begin("send", text="one", nonce="n")
    await sending.until(lambda seen: "Hello" in last(seen, "live"))
    await rig.page.leave("tab")
    await sending.end()
    reply = rig.store.messages(1)[-1]
    assert reply.state is MessageState.STOPPED and reply.text == "Hello"


async def test_a_reply_that_another_tab_watches_goes_on(rig: Rig) -> None:
    await rig.do("hello", tab="one")
    sending = await rig.begin("send", tab="one", text="one", nonce="n")
    watching = await rig.begin("hello", tab="two", conversation=1)
    await rig.page.leave("one")
    rig.go.set()
    assert "Hello there." in last(await watching.end(), "transcript")
    await sending.end()


async def test_a_tab_that_moves_on_is_not_drawn_over_and_its_reply_goes_on(rig: Rig) -> None:
    await rig.do("hello")
    sending = await rig.begin("send", text="one", nonce="n")
    await sending.until(lambda seen: "Hello" in last(seen, "live"))
    [moved] = await rig.do("create")
    assert moved["hub"]["conversation"] is None
    assert Shown(moved["rail"]).one("img", "replying")
    views = await sending.end()
    assert views[-1] == {}
    rig.go.set()
    back = await rig.begin("open", id=1)
    assert "Hello there." in last(await back.end(), "transcript")


async def test_a_message_waits_for_the_engine_and_then_goes(rig: Rig) -> None:
    rig.go.set()
    rig.engine.state = EngineState.STARTING
    await rig.do("hello")
    sending = await rig.begin("send", text="one", nonce="n")
    assert "sent as soon as the engine is ready" in sending.seen[-1]["live"]
    assert "waiting for the engine" in sending.seen[-1]["figures"]
    rig.engine.state = EngineState.READY
    assert "Hello there." in last(await sending.end(), "transcript")


async def test_a_message_that_waited_before_a_restart_is_sent_when_it_is_opened(rig: Rig) -> None:
    rig.go.set()
    conversation = rig.store.create_conversation("before")
    rig.store.add_turn(conversation.id, "one", "en")
    views = await rig.do("hello", conversation=conversation.id)
    assert "Hello there." in last(views, "transcript")


async def test_answer_again(rig: Rig) -> None:
    rig.go.set()
    await rig.do("hello")
    await rig.do("send", text="one", nonce="n")
    rig.engine.tokens = ("Another",)
    views = await rig.do("retry")
    assert "Another" in last(views, "transcript") and "Hello there" not in last(views, "transcript")
    assert len(rig.store.messages(1)) == 2


async def test_rename_and_delete(rig: Rig) -> None:
    first, second = (rig.store.create_conversation(title) for title in ("a", "b"))
    await rig.do("hello", conversation=first.id)
    [view] = await rig.do("rename", id=str(first.id), title="  new \n name ")
    assert "new name" in view["rail"] and "new name" in view["head"]
    [view] = await rig.do("remove", id=str(second.id))
    assert [c.id for c in rig.store.conversations()] == [first.id]
    assert view["hub"]["conversation"] == first.id
    views = await rig.do("remove", id=str(first.id))
    assert views[-1]["hub"]["conversation"] is None


async def test_a_conversation_that_another_tab_deleted(rig: Rig) -> None:
    conversation = rig.store.create_conversation("a")
    await rig.do("hello", tab="one", conversation=conversation.id)
    await rig.do("remove", tab="two", id=conversation.id)
    [view] = await rig.do("send", tab="one", text="still there?", nonce="n")
    assert view["hub"]["notice"] == StoreError("store_no_conversation").words(Texts("en"))
    assert "sent" not in view["hub"]
    views = await rig.do("refresh", tab="one")
    assert views[-1]["hub"]["conversation"] is None


async def test_a_conversation_that_is_gone_is_a_sentence(rig: Rig) -> None:
    await rig.do("hello")
    [view] = await rig.do("open", id=99)
    assert "notice" in view["hub"]


async def test_a_mistake_of_ours_is_a_sentence_too(rig: Rig) -> None:
    await rig.do("hello")
    [view] = await rig.do("open")  # without an id
    assert view["hub"]["notice"].startswith("This did not work.")


JUNK: tuple[Any, ...] = (None, [1], "x", {"id": "x", "value": {}, "what": None, "text": []})


@pytest.mark.parametrize("junk", JUNK, ids=str)
async def test_whatever_a_script_sends_is_answered_and_harms_nothing(rig: Rig, junk: Any) -> None:
    kept = rig.store.create_conversation("kept")
    await rig.do("hello", conversation=kept.id)
    rig.go.set()
    for action in rig.page.actions:
        views = [view async for view in rig.page.act("tab", action, junk)]
        assert views or action == "steps", action
    assert [one.title for one in rig.store.conversations()] == ["kept"]
    assert rig.store.preference("theme") is rig.store.preference("language") is None


async def test_language_and_theme_are_kept(rig: Rig) -> None:
    views = await rig.do("hello", browser="en-US")
    views = await rig.do("language", value="zh")
    assert "新对话" in views[-1]["top"] and views[-1]["hub"]["language"] == "zh"
    assert "消息" in views[-1]["box"]
    [view] = await rig.do("theme", value="dark")
    assert view["hub"]["theme"] == "dark"
    await rig.do("theme", value="pink")
    assert rig.store.preference("theme") == "dark"


@pytest.mark.parametrize(("browser", "language"), [("zh-CN", "zh"), ("de", "en"), ("", None)])
def test_the_first_language_is_the_browsers(tmp_path: Path, browser: str, language: str) -> None:
    rig = Rig(tmp_path, language="auto")
    assert rig.page.texts(browser).language == (language or rig.page.texts().language)
    rig.store.set_preference("language", "zh")
    assert rig.page.texts(browser).language == "zh"


async def test_another_tab_learns_of_changes(rig: Rig) -> None:
    await rig.do("hello", tab="two")
    before = rig.page.revision
    rig.go.set()
    await rig.do("hello", tab="one")
    await rig.do("send", tab="one", text="one", nonce="n")
    assert rig.page.revision != before
    views = await rig.do("refresh", tab="two")
    assert Shown(views[-1]["rail"]).one("listitem", "one")


async def test_the_pulse_says_how_engine_and_memory_are(rig: Rig) -> None:
    app = Starlette()
    app.add_route("/eaglechat/pulse", StatusPolling(rig.page).answer)
    rig.engine.state = EngineState.FAILED
    news = TestClient(app).get("/eaglechat/pulse?language=zh").json()
    assert "引擎已停止" in news["foot"]
    assert Shown(news["card"]).one("button", Texts("zh")("page.engine.start"))
    assert "内存" in news["memory"] and news["revision"] == rig.page.revision
    assert news["app"] == TestClient(app).get("/eaglechat/pulse").json()["app"]


async def test_the_page_is_there_before_gradio(rig: Rig) -> None:
    rig.store.create_conversation("what was <b>said</b> before")
    front = Bootstrap(lambda request, nonce: first_page(rig.page, request, nonce))
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def gradio(scope: Any, receive: Any, send: Any) -> None:
        head, body = b"<head><script>g()</script></head>", b"<body x='1'><gradio-app></gradio-app>"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": head + body + b"</body>"})

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    answering = asyncio.create_task(front(scope, lambda: None, send))
    await asyncio.sleep(0.05)
    early = b"".join(sent).decode()
    assert (
        Shown(early).one("textbox", "Message")
        and "what was &lt;b&gt;said&lt;/b&gt; before" in early
    )
    assert "gradio-app" not in early
    front.open(gradio)
    await answering
    whole = b"".join(sent).decode()
    assert whole.startswith(early) and whole.endswith("<gradio-app></gradio-app></body></html>")
    assert re.search(r'<script nonce="[\w-]+">g\(\)</script>', whole)
    assert len(re.findall("<body", whole)) == 1


def test_the_first_page_follows_the_browsers_language(tmp_path: Path) -> None:
    page = Rig(tmp_path, language="auto").page
    headers = [(b"accept-language", b"zh-CN,zh;q=0.9")]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""}
    assert "新对话" in first_page(page, Request(scope), "n")


async def test_a_message_that_was_found_is_drawn_however_old(rig: Rig) -> None:
    conversation = rig.store.create_conversation("long")
    first = rig.store.add_message(conversation.id, Role.USER, "the first")
    for number in range(100):
        rig.store.add_message(conversation.id, Role.USER, f"number {number}")
    [view] = await rig.do("open", id=str(conversation.id))
    assert "the first" not in view["transcript"] and view["hub"].get("message") is None
    [view] = await rig.do("open", id=str(conversation.id), message=str(first.id))
    assert "the first" in view["transcript"] and view["hub"]["message"] == first.id


def test_a_search_gives_the_ways_to_what_was_found(rig: Rig) -> None:
    conversation = rig.store.create_conversation("求<根>公式")
    message = rig.store.add_message(conversation.id, Role.USER, "<b>根</b>在哪里")
    client = TestClient(Starlette(routes=[search_route.route(rig.page)]))
    found = client.get("/eaglechat/search", params={"q": "根", "language": "zh"}).text
    assert "2 处" in found and f'data-message="{message.id}"' in found
    assert "<b>根" not in found and "&lt;" in found
    assert "没有找到" in client.get("/eaglechat/search?q=x&language=zh").text
