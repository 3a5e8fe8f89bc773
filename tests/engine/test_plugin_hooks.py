"""The plug-in against the installed SGLang: all fits, and what does not is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from chatapp.sglang_plugin import report

CHANGES = {
    "none": "",
    "gone": "del module.EAGLEWorkerV2.apply_runtime_state",
    "other": "module.EAGLEWorkerV2.build_adaptive_runtime_state = lambda self: None",
}
# SGLang is imported once; each change is tried in a process that is forked from there.
CHILD = """
import json, os, sys
import sglang.srt.speculative.eagle_worker_v2 as module
from chatapp import sglang_plugin
from chatapp.sglang_plugin import report
from sglang.srt.plugins.hook_registry import HookRegistry
for name, change in json.loads(sys.argv[1]).items():
    if not os.fork():
        exec(change)
        sglang_plugin.activate()
        told = [name, [report.status, sorted(HookRegistry._hooks)]]
        print("RESULT" + json.dumps(told), flush=True)
        os._exit(0)
    os.wait()
"""

Activated = tuple[dict[str, dict[str, Any]], list[str]]


@pytest.fixture(scope="module")
def activated() -> dict[str, Activated]:
    """Of each change: what the plug-in says of its features, and what it has hooked."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(CHANGES)],
        env=os.environ | {"SGLANG_USE_CPU_ENGINE": "1", "SGLANG_PLUGINS": "none"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert len(lines) == len(CHANGES), done.stderr
    return dict(json.loads(line.removeprefix("RESULT")) for line in lines)


def test_every_feature_fits_the_pinned_sglang(activated: dict[str, Activated]) -> None:
    status, hooked = activated["none"]
    assert {name for name, found in status.items() if found["ok"]} == {
        "switch",
        "counts",
        "report",
        "cpu_attention",
        "cpu_sampling",
        "eagle3",
        "cpu_eagle3",
        "ngram",
        "cpu_ngram",
        "redaction",
    }
    assert any(name.endswith("EAGLEWorkerV2.init_cuda_graphs") for name in hooked)


def test_a_hook_that_is_gone_takes_its_feature_and_no_other(
    activated: dict[str, Activated],
) -> None:
    status, hooked = activated["gone"]
    assert not status["eagle3"]["ok"]
    assert "apply_runtime_state is not there" in status["eagle3"]["detail"]
    assert status["switch"]["ok"] and status["counts"]["ok"] and status["ngram"]["ok"]
    assert report.switch_of("EAGLE3", status) == status["eagle3"]
    assert report.switch_of("NGRAM", status)["ok"]
    assert report.switch_of("DFLASH", status)["detail"] == "no switch for DFLASH"
    assert not any(name.endswith("EAGLEWorkerV2.init_cuda_graphs") for name in hooked)


def test_a_hook_with_other_parameters_is_not_taken(activated: dict[str, Activated]) -> None:
    status, _ = activated["other"]
    assert "has no parameter" in status["eagle3"]["detail"]
