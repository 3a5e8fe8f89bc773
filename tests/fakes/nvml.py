"""A library in place of libnvidia-ml: functions that C can call, which the real ``pynvml``
fills its own C structures through. It stands where ``pynvml`` loads the driver's library,
so that no compiler and no driver is needed to test against it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pynvml

from chatapp.units import MIB

SONAME = "libnvidia-ml.so.1"
SUCCESS = pynvml.NVML_SUCCESS
_TOO_SMALL = pynvml.NVML_ERROR_INSUFFICIENT_SIZE


@dataclass
class Card:
    """One card; ``code`` is what its calls return, ``processes`` and ``graphics`` pid →
    bytes, None where the driver says that it does not know. ``reserved`` is what the driver
    keeps for itself."""

    name: str = "NVIDIA GeForce RTX 4090"
    total: int = 24564 * MIB
    used: int = 20000 * MIB
    reserved: int = 346 * MIB
    processes: dict[int, int | None] = field(default_factory=dict)
    graphics: dict[int, int | None] = field(default_factory=dict)
    processes_code: int = SUCCESS
    code: int = SUCCESS
    capability: tuple[int, int] = (8, 9)
    utilisation: int | None = 87
    degrees: int | None = 61
    watts: float | None = 312.5
    uuid: str = "GPU-4090a1b2-0000-1111-2222-333344445555"


@dataclass
class Driver:
    """``lacks``: functions that a driver of this age does not have yet; ``place``: where
    its library lies, which is found by its name alone where that is all there is of it."""

    cards: list[Card]
    init_code: int = SUCCESS
    lacks: tuple[str, ...] = ()
    version: str = "580.95.05"
    place: str = SONAME
    inits: int = 0


@contextmanager
def loaded(driver: Driver | Callable[[], Driver] | None) -> Iterator[Any]:
    """``pynvml`` on this driver, and whoever else loads its library. None: there is none.
    A function is asked for the driver at every call."""
    told = driver if callable(driver) else lambda: driver
    before, original = pynvml.nvmlLib, ctypes.CDLL
    pynvml._nvmlGetFunctionPointer_cache.clear()
    pynvml.nvmlLib = None
    ctypes.CDLL = pynvml.CDLL = _Loader(told, original)  # type: ignore[assignment,misc]
    try:
        yield pynvml
    finally:
        pynvml.nvmlLib, pynvml.CDLL, ctypes.CDLL = before, original, original
        pynvml._nvmlGetFunctionPointer_cache.clear()


class _Loader:
    """``ctypes.CDLL``. As the system's own loader it finds by its name alone what is loaded
    already."""

    def __init__(self, driver: Callable[[], Driver | None], original: Any) -> None:
        self._driver, self._original = driver, original
        self._found = False

    def __call__(self, name: Any, *arguments: Any, **options: Any) -> Any:
        if not str(name).endswith(SONAME):
            return self._original(name, *arguments, **options)
        driver = self._driver()
        self._found |= driver is not None and name == driver.place
        if not self._found:
            raise OSError(f"{name}: cannot open shared object file")
        return _Library(self._driver)


class _Library:
    """What ``CDLL`` would give: attributes are functions with C's calling convention."""

    def __init__(self, driver: Callable[[], Driver]) -> None:
        self._driver = driver
        self._functions: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name in self._driver().lacks or name not in _FUNCTIONS:
            raise AttributeError(name)
        if name not in self._functions:
            arguments, body = _FUNCTIONS[name]
            kind = ctypes.CFUNCTYPE(ctypes.c_uint, *arguments)
            driver = self._driver
            self._functions[name] = kind(lambda *given: body(driver(), *given))
        return self._functions[name]


_Pointer = ctypes.c_void_p
_FUNCTIONS: dict[str, tuple[tuple[Any, ...], Callable[..., int]]] = {}


def _c(name: str, *arguments: Any) -> Callable[[Callable[..., int]], Callable[..., int]]:
    def keep(body: Callable[..., int]) -> Callable[..., int]:
        _FUNCTIONS[name] = (arguments, body)
        return body

    return keep


def _put(kind: Any, pointer: int, value: int) -> None:
    ctypes.cast(pointer, ctypes.POINTER(kind))[0] = value


@_c("nvmlInitWithFlags", ctypes.c_uint)
def _init(driver: Driver, flags: int) -> int:
    driver.inits += 1
    return driver.init_code


@_c("nvmlInit_v2")
def _init_v2(driver: Driver) -> int:
    return driver.init_code


@_c("nvmlShutdown")
def _shutdown(driver: Driver) -> int:
    return SUCCESS


@_c("nvmlSystemGetDriverVersion", _Pointer, ctypes.c_uint)
def _version(driver: Driver, text: int, length: int) -> int:
    ctypes.memmove(text, driver.version.encode() + b"\0", len(driver.version) + 1)
    return SUCCESS


@_c("nvmlDeviceGetCount_v2", _Pointer)
def _count(driver: Driver, count: int) -> int:
    _put(ctypes.c_uint, count, len(driver.cards))
    return SUCCESS


@_c("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint, _Pointer)
def _handle(driver: Driver, index: int, handle: int) -> int:
    if index >= len(driver.cards):
        return pynvml.NVML_ERROR_INVALID_ARGUMENT
    _put(ctypes.c_void_p, handle, index + 1)
    return SUCCESS


@_c("nvmlDeviceGetName", _Pointer, _Pointer, ctypes.c_uint)
def _name(driver: Driver, handle: int, text: int, length: int) -> int:
    card = driver.cards[handle - 1]
    ctypes.memmove(text, card.name.encode() + b"\0", len(card.name) + 1)
    return card.code


@_c("nvmlDeviceGetMemoryInfo", _Pointer, _Pointer)
def _memory(driver: Driver, handle: int, memory: int) -> int:
    card = driver.cards[handle - 1]
    info = ctypes.cast(memory, ctypes.POINTER(pynvml.c_nvmlMemory_t))[0]
    used = card.used + card.reserved
    info.total, info.used, info.free = card.total, used, card.total - used
    return card.code


@_c("nvmlDeviceGetMemoryInfo_v2", _Pointer, _Pointer)
def _memory_v2(driver: Driver, handle: int, memory: int) -> int:
    card = driver.cards[handle - 1]
    info = ctypes.cast(memory, ctypes.POINTER(pynvml.c_nvmlMemory_v2_t))[0]
    if info.version != pynvml.nvmlMemory_v2:
        return pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH
    info.total, info.used, info.reserved = card.total, card.used, card.reserved
    info.free = card.total - card.used - card.reserved
    return card.code


@_c("nvmlDeviceGetUUID", _Pointer, _Pointer, ctypes.c_uint)
def _uuid(driver: Driver, handle: int, text: int, length: int) -> int:
    card = driver.cards[handle - 1]
    ctypes.memmove(text, card.uuid.encode() + b"\0", len(card.uuid) + 1)
    return card.code


@_c("nvmlDeviceGetComputeRunningProcesses_v3", _Pointer, _Pointer, _Pointer)
def _processes(driver: Driver, handle: int, count: int, processes: int | None) -> int:
    card = driver.cards[handle - 1]
    return _listed(card, card.processes, count, processes)


@_c("nvmlDeviceGetGraphicsRunningProcesses_v3", _Pointer, _Pointer, _Pointer)
def _graphics(driver: Driver, handle: int, count: int, processes: int | None) -> int:
    card = driver.cards[handle - 1]
    return _listed(card, card.graphics, count, processes)


def _listed(card: Card, held: dict[int, int | None], count: int, processes: int | None) -> int:
    room = ctypes.cast(count, ctypes.POINTER(ctypes.c_uint))
    if card.processes_code != SUCCESS:
        return card.processes_code
    asked, room[0] = room[0], len(held)
    if not held:
        return SUCCESS
    if processes is None or asked < len(held):
        return _TOO_SMALL
    rows = ctypes.cast(processes, ctypes.POINTER(pynvml.c_nvmlProcessInfo_v3_t))
    unknown = pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value
    for at, (pid, used) in enumerate(held.items()):
        rows[at].pid, rows[at].usedGpuMemory = pid, unknown if used is None else used
    return SUCCESS


@_c("nvmlDeviceGetUtilizationRates", _Pointer, _Pointer)
def _rates(driver: Driver, handle: int, rates: int) -> int:
    card = driver.cards[handle - 1]
    if card.utilisation is None:
        return pynvml.NVML_ERROR_NOT_SUPPORTED
    ctypes.cast(rates, ctypes.POINTER(pynvml.c_nvmlUtilization_t))[0].gpu = card.utilisation
    return card.code


@_c("nvmlDeviceGetTemperature", _Pointer, ctypes.c_uint, _Pointer)
def _temperature(driver: Driver, handle: int, kind: int, degrees: int) -> int:
    card = driver.cards[handle - 1]
    return _number(card, card.degrees, degrees)


@_c("nvmlDeviceGetPowerUsage", _Pointer, _Pointer)
def _power(driver: Driver, handle: int, milliwatts: int) -> int:
    card = driver.cards[handle - 1]
    told = None if card.watts is None else round(card.watts * 1000)
    return _number(card, told, milliwatts)


def _number(card: Card, told: int | None, pointer: int) -> int:
    if told is None:
        return pynvml.NVML_ERROR_NOT_SUPPORTED
    _put(ctypes.c_uint, pointer, told)
    return card.code


@_c("nvmlDeviceGetCudaComputeCapability", _Pointer, _Pointer, _Pointer)
def _capability(driver: Driver, handle: int, major: int, minor: int) -> int:
    card = driver.cards[handle - 1]
    _put(ctypes.c_int, major, card.capability[0])
    _put(ctypes.c_int, minor, card.capability[1])
    return card.code
