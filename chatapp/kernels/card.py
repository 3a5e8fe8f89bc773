"""A card that is only pretended, so that SGLang takes its CUDA paths without a GPU.

torch believes in a card of the given compute capability; tensors that are sent there stay
in this machine's memory, and nothing is calculated: matrix products are zeros, Triton's
kernels and graphs are not launched. Only what Python *decides* on the way is real.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import itertools
import mmap
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

CARD_BYTES = 24 << 30
_LARGE = 1 << 16  # elements
# Compiled packages whose libraries want a driver; what they hold is not compiled here.
_COMPILED_AHEAD = ("sgl_kernel", "flash_mla", "deep_gemm", "deep_ep")


class HostTensors(TorchFunctionMode):
    """Keeps every tensor in host memory, and calculates no matrix product."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        args = tuple(_host(value) for value in args)
        kwargs = {name: _host(value) for name, value in (kwargs or {}).items()}
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
        name = getattr(func, "__name__", "")
        special = _SPECIAL.get(name)
        return special(func, *args, **kwargs) if special else func(*args, **kwargs)


def _host(value: Any) -> Any:
    if isinstance(value, torch.device) and value.type == "cuda":
        return torch.device("cpu")
    if isinstance(value, str) and (value == "cuda" or value.startswith("cuda:")):
        return "cpu"
    return value


def _zeros(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Zeros also where nothing was promised; large ones are pages that nobody touches."""
    shape = func(*args, **(kwargs | {"device": "meta"}))
    if shape.numel() <= _LARGE:
        return func(*args, **kwargs).zero_()
    pages = mmap.mmap(-1, shape.numel() * shape.element_size())
    return torch.frombuffer(pages, dtype=shape.dtype).view(shape.shape)


def _linear(func: Any, x: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
    return _zeros(torch.Tensor.new_zeros, x, (*x.shape[:-1], weight.shape[0]))


def _product(func: Any, a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    if a.dim() == b.dim() == 2 and kwargs.get("out") is None:
        return _zeros(torch.Tensor.new_zeros, a, (a.shape[0], b.shape[1]))
    return func(a, b, *args, **kwargs)


def _same(func: Any, tensor: Any, *args: Any, **kwargs: Any) -> Any:
    return tensor


_SPECIAL: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("empty", "empty_like", "new_empty"), _zeros),
    **dict.fromkeys(("zeros", "zeros_like", "new_zeros"), _zeros),
    "linear": _linear,
    "matmul": _product,
    "mm": _product,
    "cuda": _same,
    "pin_memory": _same,
    "record_stream": lambda func, *args, **kwargs: None,
}


class _Stream:
    """A stream or an event: whatever is asked of it has happened already."""

    device, device_index = torch.device("cpu"), 0
    _numbers = itertools.count(1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.cuda_stream = self.stream_id = next(self._numbers)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def query(self) -> bool:
        return True

    def elapsed_time(self, other: _Stream) -> float:
        return 0.0

    def record_event(self, event: _Stream | None = None) -> _Stream:
        return event or _Stream()

    def wait_stream(self, other: _Stream | None = None) -> None:
        return None

    wait_event = wait = record = wait_stream

    def synchronize(self) -> None:
        return None


class _Context:
    """``torch.cuda.stream(…)``, ``graph(…)`` and ``device(…)``: can be entered again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __enter__(self) -> _Stream:
        return _CURRENT

    def __exit__(self, *error: object) -> None:
        return None


class _Graph:
    """Is captured by running, and replayed by doing nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


class _Generator:
    def get_state(self) -> torch.Tensor:
        return torch.zeros(16, dtype=torch.uint8)

    def set_state(self, state: torch.Tensor) -> None:
        return None


class _Generators(dict[Any, _Generator]):
    def __missing__(self, index: Any) -> _Generator:
        return _Generator()


_CURRENT = _Stream()


def pretend(capability: tuple[int, int]) -> None:
    """For the rest of this process. To be called before SGLang is imported."""
    torch.version.cuda = torch.version.cuda or "13.0"
    for name, value in _torch_cuda(capability).items():
        setattr(torch.cuda, name, value)
    torch.get_device_module = lambda device=None: torch.cuda  # type: ignore[assignment]
    _register_for_the_host()
    _talk_over_sockets()
    _launch_nothing()
    sys.meta_path.insert(0, _CompiledAhead())
    HostTensors().__enter__()  # type: ignore[no-untyped-call]


def _torch_cuda(capability: tuple[int, int]) -> dict[str, Any]:
    major, minor = capability
    properties = types.SimpleNamespace(
        name="pretended", major=major, minor=minor, total_memory=CARD_BYTES, uuid="0",
        multi_processor_count=128, max_threads_per_multi_processor=1536, warp_size=32,
        L2_cache_size=72 << 20, shared_memory_per_block=48 << 10, gcnArchName="",
        shared_memory_per_block_optin=99 << 10, shared_memory_per_multiprocessor=100 << 10,
        regs_per_multiprocessor=65536, is_integrated=False,
    )  # fmt: skip
    nothing = dict.fromkeys(
        "init _lazy_init set_device synchronize empty_cache set_stream manual_seed "
        "manual_seed_all ipc_collect reset_peak_memory_stats".split()
    )
    zero = dict.fromkeys(
        "current_device memory_allocated memory_reserved max_memory_allocated".split(), 0
    )
    answers = nothing | zero | {
        "is_available": True, "is_initialized": True, "device_count": 1,
        "get_device_capability": capability, "get_device_properties": properties,
        "get_device_name": properties.name, "mem_get_info": (CARD_BYTES, CARD_BYTES),
        "current_stream": _CURRENT, "default_stream": _CURRENT, "graph_pool_handle": (0, 0),
        "is_current_stream_capturing": False, "memory_stats": {},
        "get_arch_list": [f"sm_{major}{minor}"], "is_bf16_supported": True,
        "can_device_access_peer": False,
    }  # fmt: skip
    things = {"Stream": _Stream, "ExternalStream": _Stream, "Event": _Stream, "CUDAGraph": _Graph}
    contexts = dict.fromkeys(("stream", "StreamContext", "graph", "device"), _Context)
    given = {name: _answer(value) for name, value in answers.items()}
    return {**given, **things, **contexts, "default_generators": _Generators()}


def _answer(value: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: value


def _register_for_the_host() -> None:
    """Operators that are written for CUDA are found by tensors in host memory."""
    register = torch.library.Library.impl

    def impl(self: Any, name: Any, function: Any, dispatch_key: str = "", **kwargs: Any) -> Any:
        key = "CPU" if dispatch_key == "CUDA" else dispatch_key
        return register(self, name, function, key, **kwargs)  # type: ignore[no-untyped-call]

    torch.library.Library.impl = impl  # type: ignore[method-assign,assignment]


def _talk_over_sockets() -> None:
    """One process alone talks to nobody; NCCL would want a card to find that out."""
    import torch.distributed as distributed

    begin, group = distributed.init_process_group, distributed.new_group
    distributed.init_process_group = lambda *args, **kwargs: begin(
        *args, **(kwargs | {"backend": "gloo", "device_id": None})
    )
    distributed.new_group = lambda *args, **kwargs: group(*args, **(kwargs | {"backend": "gloo"}))


def _launch_nothing() -> None:
    from triton.runtime import autotuner, jit

    jit.JITFunction.run = autotuner.Autotuner.run = _answer(None)


class Blank(types.ModuleType):
    """A module of compiled functions of which none does anything."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing(name)


class Nothing:
    """A compiled function, or what lies below it. It gives back its ``out``, or zeros like
    its first tensor."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("out") is not None:
            return kwargs["out"]
        if self._name.endswith("scaled_mm"):  # [m, k] · [k, n], in another type
            rows, columns = args[0].shape[0], args[1].shape[1]
            return torch.zeros(rows, columns, dtype=kwargs.get("out_dtype") or args[4])
        first = next((value for value in args if isinstance(value, torch.Tensor)), None)
        return None if first is None else torch.zeros_like(first)

    def __getattr__(self, name: str) -> Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Nothing(name)


class _CompiledAhead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name.partition(".")[0] not in _COMPILED_AHEAD:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> Blank:
        return Blank(spec.name)

    def exec_module(self, module: Any) -> None:
        module.__version__, module.__file__ = "0", ""
