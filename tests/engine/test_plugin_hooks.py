"""The plug-in against the installed SGLang: all fits, and what does not is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from chatapp.sglang_plugin import report

CHANGE = """
import json
import sglang.srt.speculative.eagle_worker_v2 as module
{change}
from chatapp import sglang_plugin
from chatapp.sglang_plugin import report
from sglang.srt.plugins.hook_registry import HookRegistry
sglang_plugin.activate()
print("RESULT" + json.dumps([report.status, sorted(HookRegistry._hooks)]))
"""


def activated(change: str) -> tuple[dict, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", CHANGE.format(change=change)],
        env=os.environ | {"SGLANG_USE_CPU_ENGINE": "1", "SGLANG_PLUGINS": "none"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    assert lines, done.stderr
    status, hooked = json.loads(lines[0].removeprefix("RESULT"))
    return status, hooked


def test_every_feature_fits_the_pinned_sglang():
    status, hooked = activated("")
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
    }
    assert any(name.endswith("EAGLEWorkerV2.init_cuda_graphs") for name in hooked)


def test_a_hook_that_is_gone_takes_its_feature_and_no_other():
    status, hooked = activated("del module.EAGLEWorkerV2.apply_runtime_state")
    assert not status["eagle3"]["ok"]
    assert "apply_runtime_state is not there" in status["eagle3"]["detail"]
    assert status["switch"]["ok"] and status["counts"]["ok"] and status["ngram"]["ok"]
    assert report.switch_of("EAGLE3", status) == status["eagle3"]
    assert report.switch_of("NGRAM", status)["ok"]
    assert report.switch_of("DFLASH", status)["detail"] == "no switch for DFLASH"
    assert not any(name.endswith("EAGLEWorkerV2.init_cuda_graphs") for name in hooked)


def test_a_hook_with_other_parameters_is_not_taken():
    status, _ = activated("module.EAGLEWorkerV2.build_adaptive_runtime_state = lambda self: None")
    assert "has no parameter" in status["eagle3"]["detail"]
