"""``doctor --json`` from the outside, hooks asked in a real child with SGLang."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path


def test_doctor_finds_this_machine_in_order(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = ["doctor", "--json", "--data-dir", str(tmp_path / "data"), "--port", str(port)]
    ended = subprocess.run(
        [sys.executable, "-m", "chatapp", *line],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    said = json.loads(ended.stdout)
    wrong = [check for check in said["checks"] if not check["ok"]]
    assert (ended.returncode, said["ok"], wrong) == (0, True, [])
    names = {check["name"] for check in said["checks"]}
    assert {"machine", "driver", "installed", "disk", "pair", "port", "hooks"} <= names
    hooks = next(check for check in said["checks"] if check["name"] == "hooks")
    assert "switch" in hooks["detail"] and "counts" in hooks["detail"]
