"""The whole launcher with a real venv and a real pip, on tiny packages from a folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import WITHIN_S, Checkout, make_checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    root, wheels, hold = map(tmp_path_factory.mktemp, ("checkout", "wheels", "hold"))
    made = make_checkout(root, wheels, hold / "hold")
    yield made
    made.hold.unlink(missing_ok=True)


def test_an_install_that_was_killed_is_continued(checkout: Checkout, tmp_path: Path) -> None:
    checkout.hold.touch()
    first = checkout.start("doctor")
    checkout.wait_until_held()
    first.kill()
    out, said = first.communicate(timeout=WITHIN_S)
    assert out == "" and "[5/7]" in said
    assert (checkout.root / ".venv" / "bin" / "python").exists()
    assert not list((checkout.root / ".venv").glob("*.stamp"))
    checkout.hold.unlink()

    handed, said = checkout.run("ask", "你好", "--seed", "3", cwd=tmp_path)
    assert handed == {
        "argv": ["--device", "cpu", "ask", "你好", "--seed", "3"],
        "prefix": str(checkout.root / ".venv"),
        "cwd": str(tmp_path),
    }
    assert "does not answer" in said and "[7/7]" in said
    assert "Installed." in said


def test_later_runs_reach_the_application_in_under_a_second(checkout: Checkout) -> None:
    """Of work: how busy the machine is with other things says nothing."""
    checkout.run("doctor")
    times = []
    for _ in range(3):
        before = os.times()
        handed, said = checkout.run("doctor")
        after = os.times()
        times.append(after.children_user + after.children_system)
        times[-1] -= before.children_user + before.children_system
        assert handed["argv"] == ["--device", "cpu", "doctor"] and said == ""
    assert min(times) < 1.0, times


def test_the_second_of_two_launchers_waits_for_the_first(checkout: Checkout) -> None:
    checkout.run("doctor")
    cpu = checkout.root / "assets" / "requirements" / "cpu.txt"
    checkout.want(cpu.read_text().replace("slow==1", "slow==2"))
    checkout.hold.touch()
    first = checkout.start("doctor")
    checkout.wait_until_held()
    second = checkout.start("ask", "hi")
    assert second.stderr is not None
    waiting = second.stderr.readline()
    assert "waiting" in waiting and second.poll() is None
    checkout.hold.unlink()
    first_out, first_said = first.communicate(timeout=WITHIN_S)
    second_out, second_said = second.communicate(timeout=WITHIN_S)
    assert json.loads(first_out)["argv"][-1] == "doctor"
    assert json.loads(second_out)["argv"][-1] == "hi"
    assert "Installed." in first_said and "Install" not in second_said


def test_a_deleted_environment_is_made_again(checkout: Checkout) -> None:
    checkout.run("doctor")
    shutil.rmtree(checkout.root / ".venv")
    handed, said = checkout.run("doctor")
    assert handed["prefix"] == str(checkout.root / ".venv") and "Installed." in said


def test_a_package_that_is_not_offered_ends_with_one_sentence(checkout: Checkout) -> None:
    cpu = checkout.root / "assets" / "requirements" / "cpu.txt"
    before = cpu.read_text()
    checkout.want(before + "nowhere==7\n")
    process = checkout.start("doctor")
    out, said = process.communicate(timeout=WITHIN_S)
    assert (process.returncode, out) == (1, "")
    last = said.strip().splitlines()[-1]
    assert "nowhere==7" in last and "install.log" in last and "Traceback" not in said
    checkout.want(before)
    checkout.run("doctor")
