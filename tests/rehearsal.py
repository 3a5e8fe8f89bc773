"""The rehearsal of the engine on the CPU set: ``python -m tests.rehearsal ARCH -- COMMAND``.

The set for a GPU brings CUTLASS's own language, half a gigabyte; SGLang imports what it
wrote in it and uses it on Blackwell's servers only. Here that module is a blank one.
``--probe`` compiles one small module of SGLang's in place of the rehearsal.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from typing import Any

from chatapp.kernels import card, compile

IN_CUTLASS = "sglang.kernels.ops.gemm.cutedsl_dual_gemm"


class _WithoutCutlass(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        return importlib.machinery.ModuleSpec(name, self) if name == IN_CUTLASS else None

    def create_module(self, spec: Any) -> card.Blank:
        return card.Blank(spec.name)

    def exec_module(self, module: Any) -> None: ...


def probe() -> int:
    from chatapp.kernels.recorder import listen

    card.pretend((8, 9))
    recorder = listen((8, 9))
    from sglang.kernels.jit.utils import load_jit

    export = ("add_constant", "add_constant<1>")
    load_jit("probe", cuda_files=["elementwise/add_constant.cuh"], cuda_wrappers=[export])
    (wanted,) = recorder.wanted
    wanted.compile()
    return 0


if __name__ == "__main__":
    sys.meta_path.insert(0, _WithoutCutlass())
    code = probe() if sys.argv[1:] == ["--probe"] else compile.main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
