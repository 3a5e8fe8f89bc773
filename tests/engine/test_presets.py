"""Every preset, for every pair, is understood by the pinned SGLang's own parser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp.domain import Card, Pair
from chatapp.engine.command import engine_command, engine_environment
from chatapp.engine.planning.planner import make_plan, set_up
from chatapp.engine.planning.presets import presets
from chatapp.pairs.catalogue import known_pairs
from chatapp.pairs.planned import planned_known
from chatapp.units import GIB

_PARSE = """
import argparse, json, sys
from sglang.srt.server_args import ServerArgs
parser = argparse.ArgumentParser()
ServerArgs.add_cli_args(parser)
understood = []
for line in json.load(sys.stdin):
    try:
        understood.append(vars(parser.parse_args(line)))
    except SystemExit:
        understood.append(None)
print(json.dumps(understood, default=str))
"""
# What the draft's card says, word for word: too short to be understood today.
_AS_TYPED = (
    "--model-path Qwen/Qwen3-4B-Instruct-2507 --speculative-algo EAGLE3 "
    "--speculative-draft Zjcxy-SmartAI/Eagle3-Qwen3-4B-Instruct-2507-zh "
    "--speculative-num-steps 5 --speculative-eagle-topk 4 --speculative-num-draft-tokens 16 "
    "--dtype float16 --port 30000 --mem-fraction 0.7 --cuda-graph-max-bs 16 "
    "--cuda-graph-bs 1 2 3 4"
)


def understood(lines: list[list[str]]) -> list[dict | None]:
    answer = subprocess.run(
        [sys.executable, "-P", "-c", _PARSE],
        input=json.dumps(lines),
        env=engine_environment("cpu"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return json.loads(answer.stdout.splitlines()[-1])


def ready(name: str, preset: str) -> Pair:
    """A pair of the catalogue as this preset runs it on a card that is large enough."""
    known = known_pairs()[name]
    planned = next(pair for pair in planned_known() if pair.name == name)
    folders = Path("/models/target"), Path("/models/draft")
    pair = Pair(name, *folders, known.tree, known.dtype, known.context_length)
    return set_up(pair, make_plan(Card(24 * GIB), planned, preset))


@pytest.fixture(scope="module")
def parsed() -> dict[tuple[str, str, bool], dict | None]:
    cases = {
        (name, preset, speculation): engine_command(
            ready(name, preset), "cuda", 30000, "secret", speculation=speculation
        )[3:]
        for name in known_pairs()
        for preset in presets()
        for speculation in (True, False)
    }
    cases["as typed", "", True] = _AS_TYPED.split()
    return dict(zip(cases, understood(list(cases.values())), strict=True))


def test_every_preset_is_understood(parsed: dict[tuple[str, str, bool], dict | None]) -> None:
    assert [case for case, said in parsed.items() if said is None] == [("as typed", "", True)]


def test_published_means_what_was_published(
    parsed: dict[tuple[str, str, bool], dict | None],
) -> None:
    said = parsed["published", "published", True]
    assert said is not None
    tree = "speculative_num_steps", "speculative_eagle_topk", "speculative_num_draft_tokens"
    assert tuple(said[name] for name in tree) == (5, 4, 16)
    assert said["speculative_algorithm"] == "EAGLE3" and said["dtype"] == "float16"
    assert said["mem_fraction_static"] == 0.7
    assert said["cuda_graph_max_bs_decode"] == 16
    assert said["cuda_graph_bs_decode"] == [1, 2, 3, 4]
    baseline = parsed["published", "published", False]
    assert baseline is not None and baseline["speculative_algorithm"] is None
    differ = {name for name in said if said[name] != baseline[name]}
    assert all(name.startswith("speculative") for name in differ), "the target runs the same"


def test_fast_quantises_the_target_alone(
    parsed: dict[tuple[str, str, bool], dict | None],
) -> None:
    said = parsed["published", "fast", True]
    assert said is not None and said["quantization"] == "fp8"
    assert said["speculative_draft_model_quantization"] == "unquant"


def test_long_goes_as_far_as_the_draft(parsed: dict[tuple[str, str, bool], dict | None]) -> None:
    said = parsed["published", "long", True]
    assert said is not None and said["context_length"] == 40960
