"""The GPU report where there is no GPU: it starts, refuses clearly, and counts right."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp import locations
from chatapp.errors import EngineError
from chatapp.launch import machine
from chatapp.launch.machine import Driver
from chatapp.pairs.catalogue import known_pairs
from chatapp.pairs.shapes import DraftShape, TargetShape
from tests.gpu import report
from tests.gpu.arithmetic import (
    MIB,
    Row,
    Speed,
    accept_length,
    agreement,
    first_difference,
    ratio,
    smi_card,
    smi_processes,
    table,
)
from tests.gpu.lanes import _draft, _target
from tests.gpu.prompts import PROMPTS


def test_it_refuses_without_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "nvidia_driver", lambda: None)
    assert report.main([]) == 2
    said = capsys.readouterr()
    assert "No NVIDIA GPU" in said.err and not said.out
    monkeypatch.setattr(machine, "nvidia_driver", lambda: Driver("535.10", 1))
    assert report.main([]) == 2
    assert "535.10" in capsys.readouterr().err
    assert report.why_not(Driver("580.65", 1)) is None


async def test_what_fails_takes_nothing_else_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def breaks(size: report.Size, folder: Path) -> AsyncIterator[Row]:
        yield Row("speed", "1")
        (folder / "x.log").write_text("what went wrong")
        raise EngineError("engine_killed")

    async def works(size: report.Size, folder: Path) -> AsyncIterator[Row]:
        yield Row("gain", "2")

    monkeypatch.setattr(report, "pocket", breaks)
    monkeypatch.setattr(report, "published_shape", works)
    rows = await report.measure(report.FULL, tmp_path)
    assert [row.what for row in rows] == ["speed", "breaks: not finished", "gain"]
    assert "what went wrong" in capsys.readouterr().err


def test_it_starts_as_a_module() -> None:
    command = [sys.executable, "-m", "tests.gpu.report", "--help"]
    shown = subprocess.run(command, cwd=locations.project(), capture_output=True, text=True)
    assert shown.returncode == 0 and "--rehearse" in shown.stdout


def test_where_texts_part() -> None:
    assert first_difference([1, 2, 3], [1, 2, 3]) is None
    assert first_difference([1, 2, 3], [1, 5, 3]) == 2
    assert first_difference([1, 2], [1, 2, 3]) == 3
    found = agreement([[1, 2], [1, 9], [4]], [[1, 2], [1, 2], [5]])
    assert (found.equal, found.total, found.first_differences) == (1, 3, (1, 2))
    assert str(found) == "1 of 3 equal; others first differ at token 1, 2"
    assert str(agreement([[1]], [[1]])) == "1 of 1 equal"


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), max_size=8))
def test_texts_are_equal_up_to_where_they_part(a: list[int], b: list[int]) -> None:
    at = first_difference(a, b)
    assert (at is None) == (a == b)
    if at is not None:
        assert a[: at - 1] == b[: at - 1] and a[:at] != b[:at]


def test_speeds() -> None:
    speed = Speed.of([10.0, 20.0, 30.0, 40.0, 50.0])
    assert (speed.low, speed.median, speed.high) == (20.0, 30.0, 40.0)
    assert str(speed) == "30.0 tok/s (20.0–40.0)"
    assert Speed.of([7.0]) == Speed(7.0, 7.0, 7.0)
    assert ratio(Speed.of([30.0]), Speed.of([20.0])) == "1.50×"


def test_accept_length_counts_the_bonus() -> None:
    assert accept_length(10, 23) == 3.3 and accept_length(0, 0) is None


def test_what_nvidia_smi_prints() -> None:
    assert smi_processes("  1234, 8192\n 77, [N/A]\n\n99, 10\n") == {1234: 8192 * MIB, 99: 10 * MIB}
    assert smi_processes("No running processes found") == {}
    assert smi_card(" 812, 24564\n") == (812 * MIB, 24564 * MIB)


def test_simulated_rows_say_so() -> None:
    shown = table("card", [Row("speed", "2"), Row("gain", "1.9×", simulated=True)])
    assert "| speed | 2 |" in shown and "| gain (simulated acceptance) | 1.9× |" in shown


def test_random_weights_have_the_published_shape() -> None:
    known = known_pairs()["published"]
    assert TargetShape.from_config(_target(known, 1)) == known.target_shape
    assert DraftShape.from_config(_draft(known, 1)) == known.draft_shape


def test_forty_prompts_half_of_them_chinese() -> None:
    assert len(set(PROMPTS)) == 40
    assert sum("一" <= text[0] <= "鿿" or "一" <= text[-2] <= "鿿" for text in PROMPTS) == 20
