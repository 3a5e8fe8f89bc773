"""Cards through the real ``pynvml`` on a library of ours in the driver's place."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest

from chatapp.domain import GpuProcess
from chatapp.host import machine
from chatapp.measure.machine.cards import engine_card, engine_gpu
from chatapp.measure.machine.gpus import FAILED, NO_DRIVER, Gpus
from tests.fakes.nvml import MIB, Card, Driver, loaded


def test_two_cards() -> None:
    other = Card("NVIDIA RTX A2000", 12282 * MIB, 100 * MIB, capability=(8, 6))
    driver = Driver([Card(processes={11: 9000 * MIB, 12: 500 * MIB, 99: 700 * MIB}), other])
    with loaded(driver) as nvml:
        cards, note = Gpus(nvml).sample({11, 12})
    assert note is None
    assert [card.name for card in cards] == ["NVIDIA GeForce RTX 4090", "NVIDIA RTX A2000"]
    assert (cards[0].used_bytes, cards[0].total_bytes) == (20000 * MIB, 24564 * MIB)
    assert cards[0].engine_bytes == 9500 * MIB and cards[1].engine_bytes is None
    assert (cards[0].utilisation_percent, cards[0].temperature_c) == (87, 61)
    assert cards[0].power_w == 312.5


@pytest.mark.parametrize(
    "card",
    [
        Card(processes_code=pynvml.NVML_ERROR_NO_PERMISSION),
        Card(processes_code=pynvml.NVML_ERROR_NOT_SUPPORTED),
        Card(processes={11: None}),
        Card(processes={11: 0}),  # so says WSL, where nobody is on a card with nothing
        Card(processes={99: 5000 * MIB}),
        Card(),
    ],
)
def test_process_figures_that_nobody_gives_are_unknown_not_zero(card: Card) -> None:
    with loaded(Driver([card])) as nvml:
        (sample,), note = Gpus(nvml).sample({11})
    assert sample.engine_bytes is None and note is None
    assert sample.used_bytes == 20000 * MIB


def test_processes_that_are_listed_as_drawing_only() -> None:
    card = Card(processes={12: 300 * MIB}, graphics={11: 5 * MIB, 12: 300 * MIB, 13: None})
    with loaded(Driver([card])) as nvml:
        (sample,), _ = Gpus(nvml).sample({11})
    assert sample.engine_bytes == 5 * MIB
    assert sample.others == (GpuProcess(12, 300 * MIB), GpuProcess(13, None))


def test_under_wsl_the_library_lies_elsewhere() -> None:
    """Where the system's loader does not look for it, and so neither does pynvml."""
    wsl = Driver([Card()], place="/usr/lib/wsl/lib/libnvidia-ml.so.1")
    with loaded(wsl) as nvml:
        assert len(Gpus(nvml).sample(())[0]) == 1
    with loaded(wsl):
        assert machine.nvidia_driver() == machine.Driver("580.95.05", 1)


_LOAD_BY_PATH_THEN_BY_NAME = """
import ctypes, sys
from pathlib import Path
path = Path(sys.argv[1])
try:
    ctypes.CDLL(path.name)
    sys.exit("it is found by its name alone already")
except OSError:
    ctypes.CDLL(str(path))
    ctypes.CDLL(path.name)
"""


def test_a_library_once_loaded_is_found_by_its_name() -> None:
    """What that stands on: the loader of this very system, with a library that it does not
    know the folder of."""
    numpy = Path(str(importlib.metadata.distribution("numpy").locate_file("numpy.libs")))
    library = min(numpy.glob("lib*"))
    loading = [sys.executable, "-c", _LOAD_BY_PATH_THEN_BY_NAME, str(library)]
    told = subprocess.run(loading, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("hidden", ["", "-1", "-1,0"])
def test_cards_that_are_hidden_from_cuda_are_not_there(
    hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    with loaded(Driver([Card()])):
        assert machine.nvidia_driver() is None


def test_a_card_that_fell_off_the_bus_leaves_the_other() -> None:
    lost = Card(code=pynvml.NVML_ERROR_GPU_IS_LOST)
    driver = Driver([lost, Card("the other")])
    with loaded(driver) as nvml:
        gpus = Gpus(nvml)
        cards, note = gpus.sample(())
        assert [card.name for card in cards] == ["the other"] and note == FAILED
        lost.code = pynvml.NVML_SUCCESS
        cards, note = gpus.sample(())
        assert len(cards) == 2 and note is None and driver.inits == 2


def test_the_only_card_lost() -> None:
    with loaded(Driver([Card(code=pynvml.NVML_ERROR_GPU_IS_LOST)])) as nvml:
        assert Gpus(nvml).sample(()) == ((), FAILED)
        assert engine_card(gpus=Gpus(nvml)) is None


def test_no_library_at_all() -> None:
    with loaded(None) as nvml:
        assert Gpus(nvml).sample(()) == ((), NO_DRIVER)


@pytest.mark.parametrize(
    ("code", "note"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, NO_DRIVER),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, FAILED),
    ],
)
def test_a_driver_that_does_not_start(code: int, note: str) -> None:
    with loaded(Driver([Card()], init_code=code)) as nvml:
        assert Gpus(nvml).sample(()) == ((), note)


def test_a_driver_too_old_for_process_figures_tells_the_rest() -> None:
    lacks = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetPowerUsage")
    with loaded(Driver([Card(processes={11: MIB})], lacks=lacks)) as nvml:
        (sample,), note = Gpus(nvml).sample({11})
    assert note is None and sample.used_bytes == 20000 * MIB
    assert sample.engine_bytes is None and sample.power_w is None


def test_a_driver_too_old_for_anything() -> None:
    with loaded(Driver([Card()], lacks=("nvmlInitWithFlags",))) as nvml:
        assert Gpus(nvml).sample(()) == ((), FAILED)


def test_memory_is_counted_as_nvidia_smi_counts() -> None:
    """What the driver keeps for itself is used by nobody, and to be had by nobody."""
    with loaded(Driver([Card()])) as nvml:
        (sample,), _ = Gpus(nvml).sample(())
    assert (sample.used_bytes, sample.reserved_bytes) == (20000 * MIB, 346 * MIB)
    assert sample.free_bytes == (24564 - 20000 - 346) * MIB


def test_an_old_driver_counts_what_it_keeps_as_used() -> None:
    with loaded(Driver([Card()], lacks=("nvmlDeviceGetMemoryInfo_v2",))) as nvml:
        (sample,), note = Gpus(nvml).sample(())
    assert note is None and sample.used_bytes == 20346 * MIB
    assert sample.free_bytes == (24564 - 20346) * MIB and sample.reserved_bytes == 0


def test_the_card_that_the_plan_is_made_for() -> None:
    card = Card(processes={11: 15000 * MIB})
    with loaded(Driver([card, Card(total=8188 * MIB)])) as nvml:
        found = engine_card(gpus=Gpus(nvml), pids={11})
    assert found is not None and found.bytes == 24564 * MIB
    assert found.others_bytes == 5000 * MIB and found.driver_bytes == 346 * MIB
    assert found.capability == (8, 9)


@pytest.mark.parametrize(
    ("visible", "arguments", "name"),
    [
        (None, (), "first"),
        (None, ("--base-gpu-id", "1"), "second"),
        (None, ("--tp", "1", "--base-gpu-id=2"), "third"),
        (None, ("--base-gpu-id", "1", "--base-gpu-id", "0"), "first"),
        (None, ("--base-gpu-id", "3"), None),
        (None, ("--base-gpu-id", "one"), "first"),
        ("1", (), "second"),
        ("2,0", (), "third"),
        (" 2 , 0 ", ("--base-gpu-id", "1"), "first"),
        ("1", ("--base-gpu-id", "1"), None),
        ("0,-1,1", ("--base-gpu-id", "1"), None),
        ("7", (), None),
        ("", (), None),
        ("-1", (), None),
        ("GPU-bbbb", (), "second"),
        ("gpu-BBBB0002", (), "second"),
        ("GPU-aaaa,GPU-cccc", ("--base-gpu-id", "1"), "third"),
        ("GPU-", (), None),
        ("GPU-dddd", (), None),
    ],
)
def test_the_card_that_the_engine_takes(
    visible: str | None,
    arguments: tuple[str, ...],
    name: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    uuids = {"first": "GPU-aaaa0001", "second": "GPU-bbbb0002", "third": "GPU-cccc0003"}
    with loaded(Driver([Card(name=name, uuid=uuid) for name, uuid in uuids.items()])) as nvml:
        found = engine_gpu(Gpus(nvml).sample(())[0], arguments)
    assert (found and found.name) == name


def test_a_card_that_is_lost_is_not_mistaken_for_the_next() -> None:
    lost = Card("first", code=pynvml.NVML_ERROR_GPU_IS_LOST)
    with loaded(Driver([lost, Card("second")])) as nvml:
        cards, _ = Gpus(nvml).sample(())
    assert engine_gpu(cards, ()) is None
    second = engine_gpu(cards, ("--base-gpu-id", "1"))
    assert second is not None and (second.name, second.index) == ("second", 1)
