"""Memory of real processes, and of cards through a driver that says what we let it say."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pynvml
import pytest

from chatapp.domain import MemorySample
from chatapp.measure.machine.gpus import FAILED, NO_CARD, NO_DRIVER, Gpus
from chatapp.measure.machine.sampler import MemorySampler
from chatapp.texts import LANGUAGES, Texts
from tests.fakes.nvml import MIB, Card, Driver, loaded


def sampled(driver: Driver, *arguments: str) -> MemorySample:
    with loaded(driver) as nvml:
        pids = {"scheduler": os.getpid()}
        return MemorySampler(lambda: pids, arguments, Gpus(nvml)).sample()


def test_the_card_is_the_one_that_the_engine_runs_on() -> None:
    other = Card("the other", processes={os.getpid(): 500 * MIB})
    sample = sampled(Driver([Card(), other]), "--base-gpu-id", "1")
    assert sample.gpu is not None and sample.gpu_note is None
    assert (sample.gpu.name, sample.gpu.index) == ("the other", 1)
    assert sample.gpu.engine_bytes == 500 * MIB


def test_another_card_that_is_lost_is_not_spoken_of() -> None:
    lost = Card(code=pynvml.NVML_ERROR_GPU_IS_LOST)
    assert sampled(Driver([Card(), lost])).gpu_note is None
    sample = sampled(Driver([lost, Card()]))
    assert sample.gpu is None and sample.gpu_note == FAILED


def test_other_processes_are_named_where_the_system_tells() -> None:
    nobody = 2**22 + 1  # beyond the largest pid
    held = {os.getpid(): MIB, os.getppid(): 3 * MIB, nobody: 2 * MIB}
    sample = sampled(Driver([Card(processes=held)]))
    assert sample.gpu is not None and sample.gpu.engine_bytes == MIB
    parent = psutil.Process(os.getppid()).name()
    assert [(one.name, one.bytes) for one in sample.gpu.others] == [
        (parent, 3 * MIB),
        ("", 2 * MIB),
    ]


def test_a_card_that_answered_before_is_lost_one_that_never_did_is_not() -> None:
    card = Card()
    with loaded(Driver([card])) as nvml:
        sampler = MemorySampler(dict, (), Gpus(nvml))
        card.code = pynvml.NVML_ERROR_GPU_IS_LOST
        assert (sampler.sample().gpu_note, sampler.sample().gpu_lost) == (FAILED, False)
        card.code = pynvml.NVML_SUCCESS
        assert sampler.sample().gpu is not None
        card.code = pynvml.NVML_ERROR_GPU_IS_LOST
        assert (sampler.sample().gpu_note, sampler.sample().gpu_lost) == (FAILED, True)
        card.code = pynvml.NVML_SUCCESS
        assert not sampler.sample().gpu_lost


def test_without_cards_there_is_a_note() -> None:
    assert sampled(Driver([])).gpu_note == NO_CARD
    assert sampled(Driver([Card()]), "--base-gpu-id", "1").gpu_note == NO_CARD


def test_an_engine_on_the_cpu_looks_at_no_card() -> None:
    driver = Driver([Card()])
    with loaded(driver) as nvml:
        sample = MemorySampler(dict, None, Gpus(nvml)).sample()
    assert (sample.gpu, sample.gpu_note, driver.inits) == (None, None, 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_note_has_words(language: str) -> None:
    assert all(Texts(language)(note) for note in (NO_DRIVER, NO_CARD, FAILED))


def test_processes_are_measured_and_ended_ones_left_out() -> None:
    code = "import time; print(flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()  # it is a Python by now, not the fork of one
        sampler = MemorySampler(lambda: {"main": os.getpid(), "scheduler": child.pid})
        both = sampler.sample()
        assert [process.name for process in both.engine] == ["main", "scheduler"]
        assert all(process.resident_bytes > 1_000_000 for process in both.engine)
        assert both.app_bytes == pytest.approx(both.engine[0].resident_bytes, rel=0.2)
        assert 0 < both.available_bytes < both.total_bytes
    finally:
        child.kill()
        child.communicate()
    assert [process.name for process in sampler.sample().engine] == ["main"]


def test_a_sample_is_cheap() -> None:
    sampler = MemorySampler(lambda: {"main": os.getpid()})
    sampler.sample()
    times = []
    for _ in range(20):
        began = time.perf_counter()
        sampler.sample()
        times.append(time.perf_counter() - began)
    assert sorted(times)[10] < 0.01
