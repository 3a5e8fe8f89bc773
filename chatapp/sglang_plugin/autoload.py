"""Runs at the end of ``import torch`` (entry point group ``torch.backends``).

It is that early because SGLang imports torchvision and ``sgl_kernel`` before it
loads its plug-ins.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any

_declared: list[Any] = []  # what is declared lasts as long as the library object


def torch_autoload() -> None:
    """Makes SGLang's CPU engine importable, beside a CPU build of torch or a CUDA one."""
    import torch

    if torch.version.cuda is None:
        _declare_torchvision_operators(torch)
    if os.environ.get("SGLANG_USE_CPU_ENGINE") == "1":
        ours = importlib.import_module("chatapp.sglang_plugin.cpu_kernels")
        sys.modules["sgl_kernel"] = sys.modules["sgl_kernel.speculative"] = ours


def _declare_torchvision_operators(torch: ModuleType) -> None:
    """torchvision's compiled part links CUDA and cannot load beside a CPU build; its
    Python part only asks for the schemas of these two operators."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
