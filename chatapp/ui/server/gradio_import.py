"""Gradio, imported quickly and told to keep quiet. Everybody in this room takes it from here.

``import gradio`` writes the ``.pyi`` stub of every component anew each time, which is
half of its import time; a component whose source cannot be found is spared that, so no
source is found while Gradio loads. IPython, which SGLang brings along and Gradio would
load to look for a notebook, is not needed in this process at all.
"""

from __future__ import annotations

import gc
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _quickly() -> Iterator[None]:
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


def _import() -> Any:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.modules.setdefault("IPython", None)  # type: ignore[arg-type]
    with _quickly():
        import gradio
    return gradio


gr = _import()
