"""An engine that broke is started again once by itself, and never in a loop."""

from __future__ import annotations

from chatapp.application.recovery import WITHIN_S, Recovery


def test_an_engine_that_ran_is_started_again() -> None:
    recovery = Recovery()
    recovery.ready(10)
    assert recovery.broke(11)


def test_one_that_never_became_ready_is_not() -> None:
    assert not Recovery().broke(5)


def test_a_second_time_within_a_minute_is_no_loop() -> None:
    recovery = Recovery()
    recovery.ready(0)
    assert recovery.broke(1)
    recovery.ready(100)  # however long it took to start
    assert not recovery.broke(100 + WITHIN_S - 1)


def test_one_that_does_not_come_back_is_left_alone() -> None:
    recovery = Recovery()
    recovery.ready(0)
    assert recovery.broke(1)
    assert not recovery.broke(2)


def test_after_a_good_minute_it_is_started_again() -> None:
    recovery = Recovery()
    for at in (0, 1000, 2000):
        recovery.ready(at)
        recovery.ready(at + WITHIN_S / 2)  # it still is; the minute does not begin anew
        assert recovery.broke(at + WITHIN_S)


def test_whoever_starts_it_gives_it_another_chance() -> None:
    recovery = Recovery()
    recovery.ready(0)
    assert recovery.broke(1)
    recovery.ready(2)
    assert not recovery.broke(3)
    recovery.asked()
    recovery.ready(4)
    assert recovery.broke(5)
