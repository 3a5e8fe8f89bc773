"""The Blocks: where the panes stand and which event does what. Nothing else.

All panes are ``gr.HTML`` and only ever shown: their values are HTML that we rendered and
escaped. (A template such as ``{{value}}`` would not do: Gradio evaluates its result as a
JavaScript template literal, so that ``${…}`` in a value would run.) What a person does
comes in through one component, the hub, as named events with data.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from chatapp import locations
from chatapp.ui.page import Page
from chatapp.ui.server import gradio_private
from chatapp.ui.view_builder import PANES, View

if TYPE_CHECKING:
    import gradio as gr
else:
    gr = gradio_private.load()

_SCRIPTS = ("page", "composer", "experiments", "search", "polling")


def build_app(page: Page) -> Any:
    """The Blocks of ``page``, which is what does the work."""
    texts = page.texts()
    with gr.Blocks(title=texts("app.name"), analytics_enabled=False, fill_width=True) as demo:
        panes = _lay_out(page.blank(texts), page.actions)
        outputs = [panes[name] for name in PANES]
        for name, action in page.actions.items():
            gradio_private.listener(panes["hub"], f"do_{name}")(
                _handler(page, name) if action.queued else _at_once(page, name),
                outputs=outputs,
                queue=action.queued,
                show_progress="hidden",
                trigger_mode="multiple",
                concurrency_limit=None,
                api_visibility="private",
            )
        demo.unload(_unload(page))
    gradio_private.settle(demo)
    return demo


def _lay_out(blank: View, actions: Iterable[str]) -> dict[str, Any]:
    panes: dict[str, Any] = {}

    def pane(name: str) -> None:
        panes[name] = _html(blank[name], name)

    with gr.Column(elem_id="ec-shell"):
        with gr.Column(elem_id="ec-left"):
            pane("top")
            _mount("found")
            pane("rail")
            _mount("foot")
            pane("choices")
        with gr.Column(elem_id="ec-centre"):
            pane("head")
            pane("strip")
            _mount("strip-memory")
            for name in ("compare", "bench"):
                with gr.Column(elem_id=f"ec-{name}"):
                    pane(name)
            with gr.Column(elem_id="ec-models"):
                _mount("models-pane")
            with gr.Column(elem_id="ec-scroll"):
                pane("transcript")
                _mount("start")
                pane("live")
            with gr.Column(elem_id="ec-composer"):
                _mount("card")
                _html('<p id="ec-notice" role="alert"></p>', "notices")
                with gr.Column(elem_id="ec-writing"):
                    pane("box")
                    pane("controls")
        with gr.Column(elem_id="ec-right"):
            pane("figures")
            pane("verdict")
            _mount("memory")
            _mount("engine")
        pane("dialogs")
        panes["hub"] = gr.HTML(
            value=blank["hub"], html_template="", js_on_load=_script(actions), elem_id="ec-hub"
        )
    return panes


def _html(value: str, name: str) -> Any:
    return gr.HTML(value, elem_id=f"ec-pane-{name}", js_on_load=None, apply_default_css=False)


def _mount(name: str) -> None:
    """A place that the page's script fills once a second."""
    _html(f'<div id="ec-{name}"></div>', f"mount-{name}")


def _script(actions: Iterable[str]) -> str:
    """The page's own, told which events there are."""
    folder = locations.assets() / "js"
    events = json.dumps([f"do_{name}" for name in actions])
    scripts = ((folder / f"{name}.js").read_text("utf-8") for name in _SCRIPTS)
    return "\n".join((f"const EVENTS = {events};", *scripts))


def _handler(page: Page, action: str) -> Callable[..., AsyncIterator[list[Any]]]:
    async def handle(event: gr.EventData, request: gr.Request) -> AsyncIterator[list[Any]]:
        payload = gradio_private.payload_of(event)
        async for view in page.act(request.session_hash or "", action, payload):
            yield [view.get(name, gr.skip()) for name in PANES]

    handle.__name__ = action
    return handle


def _at_once(page: Page, action: str) -> Callable[..., Any]:
    """Past the queue, for what must not wait; gives the first view."""

    async def handle(event: gr.EventData, request: gr.Request) -> list[Any]:
        payload = gradio_private.payload_of(event)
        async for view in page.act(request.session_hash or "", action, payload):
            return [view.get(name, gr.skip()) for name in PANES]
        return [gr.skip()] * len(PANES)

    handle.__name__ = action
    return handle


def _unload(page: Page) -> Callable[..., Any]:
    async def leave(request: gr.Request) -> None:
        await page.leave(request.session_hash or "")

    return leave
