"""Gradio, imported quickly and told to keep quiet. Everybody in this room takes it from here.

``import gradio`` writes the ``.pyi`` stub of every component anew each time, which is
half of its import time; a component whose source cannot be found is spared that, so no
source is found while Gradio loads. IPython, which SGLang brings along, is not needed.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _without_stubs() -> Iterator[None]:
    getfile, ipython = inspect.getfile, sys.modules.get("IPython")

    def found_elsewhere_only(thing: Any) -> str:
        if str(getattr(thing, "__module__", "")).startswith("gradio."):
            raise OSError("no stub wanted")
        return getfile(thing)

    inspect.getfile = found_elsewhere_only
    if ipython is None:
        sys.modules["IPython"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = getfile
        if ipython is None:
            del sys.modules["IPython"]


def _import() -> Any:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    with _without_stubs():
        import gradio
    return gradio


gr = _import()
