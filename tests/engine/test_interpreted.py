"""Starts the tests that need a process in which Triton's kernels are interpreted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_runs_in_sglangs_process_without_an_engine():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/interpreted", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
