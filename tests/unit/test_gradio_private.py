"""What we use of Gradio without its promise is still there, and still does what we use it for."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount
from starlette.testclient import TestClient

from chatapp.ui.server import gradio_private

# Tells how many stubs an import of Gradio looks into, and whether it loads IPython.
IMPORT = """
import sys
stubs = []
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".pyi"):
        stubs.append(arguments[0])
sys.addaudithook(hook)
{load}
print(len(stubs), sys.modules.get("IPython") is not None)
"""


@pytest.fixture(scope="module")
def gr() -> Any:
    return gradio_private.load()


def test_no_stub_is_made_and_no_notebook_looked_for() -> None:
    load = "from chatapp.ui.server.gradio_private import load; load()"
    command = [sys.executable, "-c", IMPORT.format(load=load)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.stdout.split() == ["0", "False"], ended.stderr


def test_gradio_still_looks_for_a_source_to_make_a_stub_of(gr: Any) -> None:
    from gradio import component_meta

    assert "inspect.getfile" in inspect.getsource(component_meta.create_or_modify_pyi)
    assert inspect.getfile(gr.HTML).endswith("html.py"), "found again after the import"


def test_an_event_holds_all_that_the_script_sent(gr: Any) -> None:
    assert gradio_private.payload_of(gr.EventData(None, {"id": 3})) == {"id": 3}
    assert gradio_private.payload_of(gr.EventData(None, None)) is None


def test_an_event_is_known_by_its_name_in_the_script(gr: Any) -> None:
    with gr.Blocks() as demo:
        hub = gr.HTML(js_on_load='const EVENTS = ["do_send"];')
        gradio_private.listener(hub, "do_send")(lambda: "", outputs=[hub])
        with pytest.raises(AttributeError):
            gradio_private.listener(hub, "do_nothing")
    (event,) = demo.config["dependencies"]
    assert event["targets"] == [(hub._id, "do_send")]


def test_a_settled_app_is_closed_to_clients_and_its_queue_calm(gr: Any) -> None:
    with gr.Blocks() as demo:
        gr.HTML("")
    assert demo._queue.sleep_when_free < 0.01, "Gradio has become calmer than we ask for"
    gradio_private.settle(demo)
    with gr.Blocks() as same:
        gr.HTML("")
    assert demo.api_open == same.queue(api_open=False).api_open is False
    assert "self.sleep_when_free" in inspect.getsource(type(demo._queue).start_processing)


def test_head_and_body_are_cut_from_gradios_page(gr: Any) -> None:
    with gr.Blocks() as demo:
        gr.HTML("")
    app = gr.mount_gradio_app(FastAPI(), demo, path="/", ssr_mode=False)
    with TestClient(app) as client:
        parts = gradio_private.head_and_body(client.get("/").content).decode()
    assert "<gradio-app" in parts and "/assets/index-" in parts and "gradio_config" in parts
    assert not any(tag in parts for tag in ("<head>", "</head>", "<body", "</body>", "<html"))
    assert gradio_private.head_and_body(b"<p>another page</p>") == b""


def test_what_gradio_serves_beside_its_page_is_closed(gr: Any) -> None:
    """All routes of Gradio, as it lists them, but for the ones that its page asks for."""
    with gr.Blocks() as demo:
        gr.HTML()
    app = gr.mount_gradio_app(FastAPI(), demo, path="/")
    mounted = next(route.app for route in app.routes if isinstance(route, Mount))
    asked = {
        f"{method} {path}"
        for method, path in _routes(mounted.routes)
        if method != "HEAD" and gradio_private.page_uses(method, re.sub(r"\{[^}]+\}", "x", path))
    }
    assert asked == {
        "GET /",
        "GET /assets/{path:path}",
        "GET /static/{path:path}",
        "GET /theme.css",
        "GET /gradio_api/app_id",
        "GET /gradio_api/queue/data",
        "GET /gradio_api/heartbeat/{session_hash}",
        "POST /gradio_api/queue/join",
        "POST /gradio_api/run/{api_name}",
        "POST /gradio_api/reset",
        "POST /gradio_api/cancel",
    }


def _routes(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for route in routes:
        if router := getattr(route, "original_router", None):
            yield from _routes(router.routes, prefix)
        for method in getattr(route, "methods", None) or ():
            yield method, prefix + route.path


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/info"),
        ("GET", "/config"),
        ("POST", "/gradio_api/call/send"),
        ("GET", "/assets/../config"),
        ("GET", "//"),
    ],
)
def test_uploads_files_and_the_api_are_no_part_of_the_page(method: str, path: str) -> None:
    assert not gradio_private.page_uses(method, path)
