"""An engine elsewhere: connected, lost, back, restarted, another one; wrong keys, certificates
that nobody knows, and streams that are cut or held back. Told in words, and gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatapp.domain import Chunk, EngineState, Sampling, Tree
from chatapp.engine.remote import remote_client as client_module
from chatapp.engine.remote import remote_engine
from chatapp.engine.remote.address import Address
from chatapp.engine.remote.remote_engine import RemoteEngine
from chatapp.errors import EngineError, error_words
from chatapp.measure.reply.metrics import metrics_of
from chatapp.measure.reply.trace import Trace
from chatapp.texts import LANGUAGES, Texts
from tests.fakes.elsewhere import TOKENS, Server, self_signed, serve


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_engine, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(remote_engine, "RETRY_EVERY_S", 0.02)


@asynccontextmanager
async def connected(server: Server, tmp_path: Path, key: str = "") -> AsyncIterator[RemoteEngine]:
    engine = RemoteEngine(Address(server.url, key), tmp_path)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


async def refused(engine: RemoteEngine) -> EngineError:
    with pytest.raises(EngineError) as failed:
        await engine.ready()
    for language in LANGUAGES:
        assert "{" not in failed.value.words(Texts(language))
    assert engine.status().state is EngineState.FAILED
    return failed.value


async def reply(engine: RemoteEngine, on: bool = True) -> list[Chunk]:
    return [chunk async for chunk in engine.client.stream([1], Sampling(), on)]


def notice(engine: RemoteEngine) -> str | None:
    told = engine.status().elsewhere
    assert told is not None
    if told.notice is None:
        return None
    for texts in map(Texts, LANGUAGES):
        assert "{" not in texts(f"elsewhere.notices.{told.notice.key}", **told.notice.values)
    return told.notice.key


async def test_what_it_is_and_can_do_is_asked(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        status = engine.status()
        assert (status.pair_name, status.tree, status.dtype) == ("qwen", Tree(3, 1, 4), "bfloat16")
        assert status.switch and status.address == server.url and status.pid is None
        told = status.elsewhere
        assert told and (told.machine, status.drafter, told.counts) == ("NVIDIA L4", "EAGLE3", True)
        assert engine.pids() == {} and engine.api_key == ""
        assert engine.prompt().context_length == 2048 - 4


async def test_it_is_let_go_of_and_never_stopped(tmp_path: Path) -> None:
    async with serve() as server:
        async with connected(server, tmp_path) as engine:
            await engine.ready()
        assert engine.status().state is EngineState.STOPPED
        asked = {path for path, _ in server.script.asked}
        assert asked <= {"/v1/models", "/server_info", "/v1/loads", "/generate"}


async def test_lost_and_back(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        await server.down()
        await until(lambda: engine.status().state is EngineState.FAILED)
        assert engine.status().failure == "remote_unreachable"
        await server.up()
        await until(lambda: engine.status().state is EngineState.READY)
        assert notice(engine) == "back" and engine.status().failure is None
        assert len(await reply(engine)) == TOKENS


async def test_started_again_meanwhile(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        await server.down()
        await until(lambda: engine.status().state is EngineState.FAILED)
        server.script.run = 2
        await server.up()
        await until(lambda: engine.status().state is EngineState.READY)
        assert notice(engine) == "restarted"


async def test_another_model_than_before_is_told_without_a_break(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        server.script.model, server.script.context = "llama", 4096
        await until(lambda: engine.status().pair_name == "llama")
        told = engine.status().elsewhere
        assert notice(engine) == "other_engine" and told and told.notice
        assert told.notice.values == {"before": "qwen", "now": "llama"}
        assert engine.prompt().context_length == 4096 - 4


@pytest.mark.parametrize(("status", "key"), [(503, "remote_starting"), (404, "remote_strange")])
async def test_something_else_answers(tmp_path: Path, status: int, key: str) -> None:
    async with serve() as server:
        server.script.status = status
        async with connected(server, tmp_path) as engine:
            assert (await refused(engine)).key == key
            server.script.status = None
            await until(lambda: engine.status().state is EngineState.READY)


async def test_a_gateway_whose_engines_are_gone(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        server.script.nobody_behind = True
        with pytest.raises(EngineError) as failed:
            await reply(engine)
        assert failed.value.key == "remote_starting"
        await until(lambda: engine.status().failure == "remote_starting")
        server.script.nobody_behind = False
        await until(lambda: engine.status().state is EngineState.READY)


async def test_a_wrong_key_is_said_and_not_shown(tmp_path: Path) -> None:
    async with serve() as server:
        server.script.key = "right"
        async with connected(server, tmp_path, "wrong-one") as engine:
            error = await refused(engine)
            assert error.key == "remote_key" and "wrong-one" not in str(error)
        async with connected(server, tmp_path, "right") as engine:
            await engine.ready()


async def test_a_key_that_is_no_longer_right_in_the_middle(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        server.script.key = "new"
        with pytest.raises(EngineError) as failed:
            await reply(engine)
        assert failed.value.key == "remote_key"
        await until(lambda: engine.status().failure == "remote_key")


async def test_a_certificate_that_nobody_knows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_module.certificates.cache_clear()
    async with serve(self_signed(tmp_path)) as server:
        async with connected(server, tmp_path) as engine:
            error = await refused(engine)
            assert error.key == "remote_untrusted"
            assert "self-signed certificate" in error.values["reason"]
            assert server.script.asked == [], "nothing was said to it, the key neither"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
        client_module.certificates.cache_clear()
        async with connected(server, tmp_path) as engine:
            await engine.ready()
            assert len(await reply(engine)) == TOKENS
    client_module.certificates.cache_clear()


async def test_lost_in_the_middle_of_a_reply(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        server.script.cut_after = 5
        chunks = []
        with pytest.raises(EngineError) as failed:
            async for chunk in engine.client.stream([1], Sampling(), True):
                chunks.append(chunk)
        assert failed.value.key == "remote_broke_off" and chunks[-1].text == "xxxxx"
        words = error_words(Texts("en"), failed.value.key, failed.value.values)
        assert server.url.removeprefix("http://") in words


async def test_lost_in_the_middle_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a cable is pulled: nobody hangs up, and nothing comes any more."""
    monkeypatch.setattr(remote_engine, "SILENT_S", 1.0)
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        chunks: list[Chunk] = []
        with pytest.raises(EngineError) as failed:
            async with asyncio.timeout(20):
                async for chunk in engine.client.stream([1], Sampling(), True):
                    chunks.append(chunk)
                    server.script.mute = len(chunks) == 5
        assert failed.value.key == "remote_broke_off" and len(chunks) == 5
        assert engine.status().failure == "remote_silent"
        server.script.mute = False
        await until(lambda: engine.status().state is EngineState.READY)
        assert notice(engine) == "back"


async def test_a_stream_that_is_held_back_has_no_speed_and_is_told(tmp_path: Path) -> None:
    async with serve() as server, connected(server, tmp_path) as engine:
        await engine.ready()
        assert metrics_of(Trace.of(await reply(engine))).tokens_per_second
        assert notice(engine) is None
        server.script.held_back = True
        figures = metrics_of(Trace.of(await reply(engine)))
        assert (figures.tokens_per_second, figures.ttft_s, figures.verify_step_s) == (None,) * 3
        assert figures.accept_length == 1.0, "what the engine counted is right however it came"
        assert notice(engine) == "held_back"


async def test_without_the_plug_in_the_counts_come_at_the_end(tmp_path: Path) -> None:
    async with serve() as server:
        server.script.plugin = False
        async with connected(server, tmp_path) as engine:
            await engine.ready()
            status = engine.status()
            assert (status.switch, status.switch_reason) == (False, "switch.plugin_elsewhere")
            assert status.elsewhere and not status.elsewhere.counts
            chunks = await reply(engine, on=False)
            so_far, whole = metrics_of(Trace.of(chunks[:-1])), metrics_of(Trace.of(chunks))
            assert so_far.speculation and so_far.accept_length is None, "not known, not none"
            assert whole.speculation and whole.accept_length == 1.0
            assert whole.verify_steps == TOKENS - 1 and whole.step_lengths == ()


async def test_an_engine_without_a_draft_is_no_speculation(tmp_path: Path) -> None:
    async with serve() as server:
        server.script.plugin, server.script.drafter = False, None
        async with connected(server, tmp_path) as engine:
            await engine.ready()
            assert engine.status().switch_reason == "switch.without_draft"
            assert {chunk.speculation for chunk in await reply(engine)} == {False}
