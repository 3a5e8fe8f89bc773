"""Our command lines, every preset of every pair among them, are what the pinned SGLang's own
parser takes, and mean what they should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatapp.domain import Card, Pair, Tree
from chatapp.engine.command import engine_command, engine_environment
from chatapp.engine.planning.planner import make_plan, set_up
from chatapp.engine.planning.presets import presets
from chatapp.pairs.catalogue import known_pairs
from chatapp.pairs.locate import drafted_by
from chatapp.pairs.planned import planned_known
from chatapp.units import GIB

Parsed = dict[tuple[str, str, bool] | str, Any]
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


PAIR = Pair("toy", Path("/t"), Path("/d"), Tree(5, 4, 16), "float16", 1024)


def lines() -> dict[str, list[str]]:
    """What the app starts, in each of its ways."""
    return {
        "cpu": engine_command(PAIR, "cpu", 31000, "key"),
        "plain": engine_command(PAIR, "cpu", 31000, "key", speculation=False),
        "cuda": engine_command(PAIR, "cuda", 31000, "key"),
        "ngram": engine_command(drafted_by(PAIR, "NGRAM"), "cpu", 31000, "key"),
        "extra": engine_command(PAIR, "cuda", 31000, "key", extra=["--mem-fraction-static", "0.8"]),
    }


@pytest.fixture(scope="module")
def parsed() -> Parsed:
    """Each of them as SGLang reads it; None: not at all."""
    cases: dict[tuple[str, str, bool] | str, list[str]] = {
        name: line[3:] for name, line in lines().items()
    }
    cases |= {
        (name, preset, speculation): engine_command(
            ready(name, preset), "cuda", 30000, "secret", speculation=speculation
        )[3:]
        for name in known_pairs()
        for preset in presets()
        for speculation in (True, False)
    }
    cases["as typed", "", True] = _AS_TYPED.split()
    return dict(zip(cases, understood(list(cases.values())), strict=True))


def test_every_preset_is_understood(parsed: Parsed) -> None:
    assert [case for case, said in parsed.items() if said is None] == [("as typed", "", True)]


def test_published_means_what_was_published(
    parsed: Parsed,
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
    parsed: Parsed,
) -> None:
    said = parsed["published", "fast", True]
    assert said is not None and said["quantization"] == "fp8"
    assert said["speculative_draft_model_quantization"] == "unquant"


def test_long_goes_as_far_as_the_draft(parsed: Parsed) -> None:
    said = parsed["published", "long", True]
    assert said is not None and said["context_length"] == 40960


def test_sglang_reads_the_tree(parsed: Parsed) -> None:
    for name in ("cpu", "cuda"):
        read = parsed[name]
        assert read["speculative_algorithm"] == "EAGLE3"
        assert read["speculative_draft_model_path"] == "/d"
        assert read["speculative_num_steps"] == 5
        assert read["speculative_eagle_topk"] == 4
        assert read["speculative_num_draft_tokens"] == 16


def test_sglang_reads_a_drafter_without_weights(parsed: Parsed) -> None:
    read = parsed["ngram"]
    assert read["speculative_algorithm"] == "NGRAM"
    assert read["speculative_draft_model_path"] is None
    assert read["speculative_num_draft_tokens"] == 8
    assert read["speculative_ngram_max_bfs_breadth"] == 1
    assert read["speculative_ngram_capacity"] == 250_000


def test_sglang_reads_a_plain_engine(parsed: Parsed) -> None:
    assert parsed["plain"]["speculative_algorithm"] is None
    assert parsed["plain"]["speculative_draft_model_path"] is None


def test_sglang_reads_the_rest(parsed: Parsed) -> None:
    cpu, cuda = parsed["cpu"], parsed["cuda"]
    assert (cpu["host"], cpu["port"], cpu["api_key"]) == ("127.0.0.1", 31000, "key")
    assert (cpu["device"], cpu["dtype"], cpu["attention_backend"]) == (
        "cpu",
        "float32",
        "torch_native",
    )
    assert cpu["context_length"] == 1024 and cpu["max_total_tokens"] == 4096
    assert (cuda["device"], cuda["dtype"], cuda["mem_fraction_static"]) == ("cuda", "float16", 0.7)
    assert cuda["watchdog_timeout"] > cpu["watchdog_timeout"] == 300
    assert cuda["cuda_graph_bs_decode"] == [1, 2, 3, 4]
    assert parsed["extra"]["mem_fraction_static"] == 0.8
