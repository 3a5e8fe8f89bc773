"""Where we touch what Gradio does not promise to keep: here and in ``assets/css/gradio.css``,
nowhere else. ``tests/unit/test_gradio_private.py`` holds a contract for each touch, so that
a newer Gradio is known to fit, or to need another one.
"""

from __future__ import annotations

import gc
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_IDLE_S = 0.01
_USED = re.compile(
    r"GET /(|assets/[^/]+|static/.+|theme\.css|gradio_api/(queue/data|heartbeat/\w+|app_id))"
    r"|POST /gradio_api/(queue/join|run/\w+|reset|cancel)"
)
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_PARTS = re.compile(rb"<head>(.*)</head>.*?<body[^>]*>(.*)</body>", re.DOTALL)


def load() -> Any:
    """The module ``gradio``, imported quickly and told to keep quiet.

    Its import parses the source of every component and compares it with its ``.pyi`` stub,
    which is two thirds of the time that it takes; a component whose source cannot be found
    is spared that, so no source is found meanwhile. IPython, which SGLang brings along and
    Gradio would load to look for a notebook, is not needed in this process at all.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.modules.setdefault("IPython", None)  # type: ignore[arg-type]
    with _without_stubs():
        import gradio
    return gradio


@contextmanager
def _without_stubs() -> Iterator[None]:
    getfile = inspect.getfile

    def found_elsewhere_only(object: Any) -> str:
        if str(getattr(object, "__module__", "")).startswith("gradio."):
            raise OSError("no stub wanted")
        return getfile(object)

    inspect.getfile = found_elsewhere_only
    gc.disable()  # nothing that an import makes is garbage
    try:
        yield
    finally:
        inspect.getfile = getfile
        gc.enable()
        gc.freeze()


def payload_of(event: Any) -> Any:
    """All that the script sent with an event; of an ``EventData`` only single values of a
    known name are public."""
    return event._data


def listener(component: Any, event: str) -> Callable[..., Any]:
    """What registers a handler for an event that ``component`` has by its script alone:
    the script must hold the event's name in quotes."""
    register: Callable[..., Any] = getattr(component, event)
    return register


def settle(demo: Any) -> None:
    """Closed to other clients, which ``queue(api_open=False)`` would do by building the app
    anew; and its queue, while empty, is looked into a hundred times a second, not a
    thousand times."""
    demo.api_open = False
    demo._queue.sleep_when_free = _IDLE_S


def page_uses(method: str, path: str) -> bool:
    """Whether Gradio's page, as we use it, asks for this. Uploads, files, its API and its
    documentation, sign-in, run history, streams and proxies are none of ours."""
    return bool(_USED.fullmatch(f"{'GET' if method == 'HEAD' else method} {path}"))


def with_nonce(page: bytes, nonce: str) -> bytes:
    """Every script of Gradio's page carries ``nonce``. Nothing of a person or of a model
    stands in that page."""
    return _SCRIPT.sub(b'<script nonce="' + nonce.encode() + b'"', page)


def head_and_body(page: bytes) -> bytes:
    """What stands in the head and in the body of Gradio's page; nothing of another page."""
    parts = _PARTS.search(page)
    return b"".join(parts.groups()) if parts else b""
