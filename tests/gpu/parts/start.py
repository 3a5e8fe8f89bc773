"""Seconds of the first start, with no kernel compiled yet, and of the second."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path

from chatapp.domain import EngineStatus, Sampling
from chatapp.kernels import cache
from chatapp.units import disk_size
from tests.gpu.asking import answer
from tests.gpu.attempt import attempt
from tests.gpu.bench import Bench
from tests.gpu.part import Part
from tests.gpu.row import Row

# A person's settings: the kernels of sampling are compiled when first used.
SAMPLED = Sampling(temperature=0.7, top_p=0.9, top_k=40, max_tokens=16)


async def rows(bench: Bench) -> AsyncGenerator[Row]:
    empty = Path(tempfile.mkdtemp(prefix="caches-", dir=bench.folder))
    for which in ("first", "second"):
        async for row in attempt(f"{which} start", _start(bench, which, empty)):
            yield row
    files = [path for path in empty.rglob("*") if path.is_file()]
    size = disk_size(sum(path.stat().st_size for path in files))
    yield Row("kernel caches after both", f"{len(files)} files, {size}")
    missed = cache.unforeseen(empty / "eaglechat" / "kernels")
    yield Row("kernels that the rehearsal had not foreseen", ", ".join(missed) or "none")


async def _start(bench: Bench, which: str, caches: Path) -> AsyncGenerator[Row]:
    subject = bench.published()
    arm = bench.arm(f"{which}-start", subject, environment=cache_places(caches))
    ids = arm.ids(bench.large_texts()[:1])[0]
    async with arm.engine() as engine:
        yield Row(f"{which} start, {subject.label}", phases(engine.status()))
        waits = [(await answer(engine, ids, SAMPLED, True)).figures.ttft_s for _ in range(2)]
        told = " s, then ".join("?" if wait is None else f"{wait:.2f}" for wait in waits)
        yield Row(f"first token at temperature 0.7, after the {which} start", f"{told} s")


def phases(status: EngineStatus) -> str:
    """``63 s (weights 12, graphs 60)``: when each phase was reached."""
    reached = [f"{p.name} {p.at:.0f}" for p in status.timeline if p.at is not None]
    return f"{status.elapsed_s:.0f} s ({', '.join(reached)})"


def cache_places(folder: Path) -> dict[str, str]:
    """Where torch, Triton, SGLang, FlashInfer, TVM FFI and the driver keep what they
    compile."""
    return {
        "XDG_CACHE_HOME": str(folder),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "SGLANG_CACHE_DIR": str(folder / "sglang"),
        "SGLANG_JIT_CACHE_DIR": str(folder / "sglang-jit"),
        "FLASHINFER_WORKSPACE_BASE": str(folder / "flashinfer"),
        "TVM_FFI_CACHE_DIR": str(folder / "tvm-ffi"),
        "CUDA_CACHE_PATH": str(folder / "driver"),
    }


PART = Part("start", "seconds of the first start with empty caches, and of the second", 560, rows)
