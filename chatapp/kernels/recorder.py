"""Which modules the engine asks its compilers for, and how each is compiled.

SGLang's ``load_jit`` and FlashInfer's ``build_and_load`` are the two doors that every
module comes through; here they write down what is asked for and give back a blank one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chatapp.kernels.card import Blank


@dataclass(frozen=True, slots=True)
class Wanted:
    """``files`` of it are compiled, by ``compile``; it is there at once when it was before."""

    name: str
    by: str
    files: int
    compile: Callable[[], Any]


class Recorder:
    """The modules in the order in which they were asked for."""

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], Wanted] = {}

    @property
    def wanted(self) -> list[Wanted]:
        return list(self._wanted.values())

    def add(self, wanted: Wanted) -> Blank:
        self._wanted.setdefault((wanted.by, wanted.name), wanted)
        return Blank(wanted.name)


def listen(capability: tuple[int, int]) -> Recorder:
    """To be called once the card is pretended and before SGLang's layers are imported."""
    recorder = Recorder()
    _listen_to_sglang(recorder)
    _listen_to_flashinfer(recorder, capability)
    return recorder


def _listen_to_sglang(recorder: Recorder) -> None:
    from sglang.kernels.jit import utils
    from sglang.kernels.jit.utils import compile as package
    from sglang.kernels.jit.utils.compile import loader

    load_jit = loader.load_jit
    # Compiling is enough: what is loaded needs the driver.
    loader._load = lambda library: None

    def record(*args: Any, **kwargs: Any) -> Blank:
        files = len(kwargs.get("cuda_files") or ()) + len(kwargs.get("cpp_files") or ())
        name = "_".join(map(str, args))
        made = Wanted(name, "sglang", max(files, 1), lambda: load_jit(*args, **kwargs))
        return recorder.add(made)

    for module in (loader, package, utils):
        module.load_jit = record


def _listen_to_flashinfer(recorder: Recorder, capability: tuple[int, int]) -> None:
    import flashinfer  # noqa: F401
    from flashinfer.jit import core

    def record(spec: Any) -> Blank:
        return recorder.add(Wanted(spec.name, "flashinfer", len(spec.sources), spec.build))

    core.JitSpec.build_and_load = record  # type: ignore[method-assign,assignment]
    # It takes the capability of a tensor's device, and here that is the host.
    for name, module in list(sys.modules.items()):
        if name.startswith("flashinfer") and "get_compute_capability" in vars(module):
            vars(module)["get_compute_capability"] = lambda device: capability
