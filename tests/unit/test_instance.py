"""One app per data directory, also after one was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp.errors import StoreError
from chatapp.instance import AlreadyRunning, Claim, claim

FIRST_APP = """
import sys, time; from pathlib import Path; from chatapp.instance import claim
held = claim(Path(sys.argv[1])); held.publish("http://127.0.0.1:7860/"); print("up", flush=True)
time.sleep(300)
"""


def test_a_second_app_learns_where_the_first_is(data_dir: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", FIRST_APP, str(data_dir)], stdout=subprocess.PIPE
    )
    assert first.stdout.readline() == b"up\n"
    assert claim(data_dir) == AlreadyRunning("http://127.0.0.1:7860/")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = claim(data_dir)
    assert isinstance(second, Claim)
    assert claim(data_dir) == AlreadyRunning(None)
    second.release()
    again = claim(data_dir)
    assert isinstance(again, Claim)
    again.release()


def test_other_data_is_another_app(data_dir: Path, tmp_path: Path) -> None:
    claims = [claim(data_dir), claim(tmp_path / "new" / "place")]
    for held in claims:
        assert isinstance(held, Claim)
        held.release()


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError):
        claim(tmp_path / "data")
