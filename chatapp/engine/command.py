"""The engine's command line and environment, as pure functions of what it shall run.

Flags are those of SGLang 0.5.23. What the person adds comes last, so it wins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from chatapp.domain import Pair
from chatapp.engine.planning.cpu_plan import MAX_RUNNING, cpu_kv_tokens
from chatapp.engine.planning.presets import preset
from chatapp.kernels import cache
from chatapp.locations import compiled_kernels, cuda_home
from chatapp.pairs.drafters import DRAFTERS
from chatapp.proxies import settled

Device = Literal["cpu", "cuda"]

# SGLang ends an engine whose forward takes longer: 300 s, which the first one of a path
# exceeds where its kernels are still to be compiled. Sizing and graph capture come before.
WATCHDOG_S = 1200
_FRACTION = 0.7
# What would lead a compile away from the toolkit and the compilers that fit.
_OTHER_TOOLKITS = (
    *("CC", "CXX", "CUDAHOSTCXX", "NVCC_CCBIN", "NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"),
    *("CUDACXX", "CUDA_LIB_PATH", "CUDA_TOOLKIT_PATH", "FLASHINFER_NVCC"),
)


def engine_command(
    pair: Pair,
    device: Device,
    port: int,
    api_key: str,
    *,
    speculation: bool = True,
    extra: Sequence[str] = (),
) -> list[str]:
    """The command of one engine. Without ``speculation`` it has no drafter at all."""
    return [
        sys.executable,
        *("-m", "sglang.launch_server"),
        *("--model-path", str(pair.target)),
        *("--served-model-name", pair.name),
        *("--host", "127.0.0.1", "--port", str(port), "--api-key", api_key),
        *("--context-length", str(pair.context_length)),
        *("--stream-interval", "1", "--random-seed", "0", "--log-level", "info"),
        *("--skip-server-warmup", "--sleep-on-idle", "--enable-metrics"),
        *(_cpu_flags(pair) if device == "cpu" else _cuda_flags(pair)),
        *(_drafter_flags(pair) if speculation else ()),
        *extra,
    ]


def engine_environment(
    device: Device, base: Mapping[str, str] = os.environ, prefix: Path = Path(sys.prefix)
) -> dict[str, str]:
    """``base`` with what the engine needs: offline, no telemetry, our plug-in only, and
    under CUDA the toolkit inside ``prefix``, whatever other one ``base`` names."""
    tools = [prefix / "bin", *([cuda_home(prefix) / "bin"] if device == "cuda" else [])]
    ours = {
        "PATH": os.pathsep.join(filter(None, [*map(str, tools), base.get("PATH")])),
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TORCHINDUCTOR_CACHE_DIR": base.get("TORCHINDUCTOR_CACHE_DIR") or str(compiled_kernels()),
        "SGLANG_PLUGINS": ",".join(filter(None, ["eaglechat", base.get("SGLANG_PLUGINS")])),
    }
    if device == "cpu":
        # One thread: more of them are ten times slower as soon as the cores are shared.
        ours |= {
            "OMP_NUM_THREADS": "1",
            "SGLANG_USE_CPU_ENGINE": "1",
            "TORCHDYNAMO_DISABLE": "1",
        }
    else:
        base = {name: value for name, value in base.items() if name not in _OTHER_TOOLKITS}
        ours |= _cuda_toolkit(cuda_home(prefix)) | cache.environment()
        # CUDA would put the fastest card first; NVML and nvidia-smi go by the bus.
        ours |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**settled(base), **ours}


def dtype_on(device: Device, pair: Pair) -> str:
    """The type that the engine computes in. On a CPU float32, because near ties make
    smaller types answer differently with and without a draft; on a GPU a half type."""
    if device == "cpu":
        return "float32"
    return pair.dtype if pair.dtype in ("float16", "bfloat16") else "float16"


def _cuda_toolkit(home: Path) -> dict[str, str]:
    """SGLang, FlashInfer and torch look at CUDA_HOME first, cuda-pathfinder at CUDA_PATH,
    Triton asks ``ldconfig`` unless it is told where the driver's library lies."""
    return {
        "CUDA_HOME": str(home),
        "CUDA_PATH": str(home),
        "TRITON_LIBCUDA_PATH": str(home / "lib64" / "stubs"),
    }


def _cpu_flags(pair: Pair) -> list[str]:
    return [
        *("--device", "cpu", "--dtype", dtype_on("cpu", pair)),
        *("--attention-backend", "torch_native"),
        *("--max-running-requests", str(MAX_RUNNING)),
        *(
            "--max-total-tokens",
            str(cpu_kv_tokens(pair.context_length)),
            "--disable-overlap-schedule",
        ),
    ]


def _cuda_flags(pair: Pair) -> list[str]:
    """As the memory plan says for this card, else as published."""
    return [
        *("--device", "cuda", "--dtype", dtype_on("cuda", pair)),
        *("--watchdog-timeout", str(WATCHDOG_S)),
        *(pair.arguments or _published()),
    ]


def _published() -> list[str]:
    published = preset("published")
    return published.arguments(published.mem_fraction_static or _FRACTION)


def _drafter_flags(pair: Pair) -> list[str]:
    return ["--speculative-algorithm", pair.drafter, *DRAFTERS[pair.drafter].flags(pair)]
