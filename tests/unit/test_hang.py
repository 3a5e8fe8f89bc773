"""A silence is a hang only where nothing is being worked on."""

from __future__ import annotations

import os
import time

import pytest

from chatapp.engine.activity import Activity
from chatapp.engine.process.hang import HANG_S, HangWatch, worked_s


class Machine:
    """A clock, and an engine that uses ``share`` of a core."""

    def __init__(self, share: float = 0.0) -> None:
        self.now, self.worked, self.share = 1000.0, 0.0, share
        self.activity = Activity(lambda: self.now)
        self.watch = HangWatch(self.activity, lambda: self.worked)

    def hangs_within(self, seconds: float) -> float | None:
        """After how many seconds it is said to hang, if within so many."""
        for passed in range(round(seconds * 5) + 1):
            if self.watch.hangs():
                return passed / 5
            self.now += 0.2
            self.worked += 0.2 * self.share
        return None


@pytest.fixture
def stuck() -> Machine:
    return Machine()


def test_an_engine_that_is_asked_nothing_does_not_hang(stuck: Machine) -> None:
    assert stuck.hangs_within(3600) is None


def test_no_sign_and_no_work_is_a_hang(stuck: Machine) -> None:
    with stuck.activity.awaiting():
        assert stuck.hangs_within(600) == pytest.approx(HANG_S, abs=1)


def test_what_is_answered_in_time_does_not_hang(stuck: Machine) -> None:
    for _ in range(5):
        with stuck.activity.awaiting():
            assert stuck.hangs_within(HANG_S - 1) is None
            stuck.activity.sign()
            assert stuck.hangs_within(HANG_S - 1) is None


def test_a_long_prefill_works_and_does_not_hang() -> None:
    busy = Machine(share=0.9)
    with busy.activity.awaiting():
        assert busy.hangs_within(3600) is None


def test_a_hang_after_a_long_prefill_is_noticed() -> None:
    machine = Machine(share=0.9)
    with machine.activity.awaiting():
        assert machine.hangs_within(300) is None
        machine.share = 0.0
        assert machine.hangs_within(2 * HANG_S) is not None


def test_batches_of_other_clients_are_signs_of_life(stuck: Machine) -> None:
    with stuck.activity.awaiting():
        for _ in range(20):
            assert stuck.hangs_within(HANG_S - 5) is None
            stuck.watch.read(["[2026-01-01 00:00:00] Decode batch, #running-req: 4, …"])
        stuck.watch.read(['INFO: 127.0.0.1 - "GET /v1/loads HTTP/1.1" 200 OK'])
        assert stuck.hangs_within(HANG_S + 5) is not None


def test_a_second_question_does_not_hide_that_the_first_hangs(stuck: Machine) -> None:
    with stuck.activity.awaiting():
        assert stuck.hangs_within(HANG_S - 1) is None
        with stuck.activity.awaiting():
            assert stuck.hangs_within(2) is not None


def test_processor_time_is_that_of_the_system() -> None:
    before, began = worked_s(os.getpid()), time.process_time()
    while time.process_time() - began < 0.1:
        pass
    assert worked_s(os.getpid()) - before >= 0.05
