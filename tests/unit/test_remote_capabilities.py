"""What an engine elsewhere can do, read from answers as SGLang 0.5.23 and gateways give them."""

from __future__ import annotations

from typing import Any

import pytest

from chatapp.domain import Tree
from chatapp.engine.remote.capabilities import Capabilities, read

MODELS = {"data": [{"id": "qwen", "max_model_len": 2048}]}
PLUGIN = {"eaglechat_plugin": {"switch": {"ok": True, "detail": ""}}}
DRAFT = {
    "speculative_algorithm": "EAGLE3",
    "speculative_num_steps": 5,
    "speculative_eagle_topk": 4,
    "speculative_num_draft_tokens": 16,
}
ON = {"speculation": {"on": True, "verify_steps": 3}, "spec_verify_ct": 3}
OFF = {"speculation": {"on": False, "verify_steps": 0}}
WITHOUT_PLUGIN = {"spec_verify_ct": 3}


def found(
    info: dict[str, Any], on: dict[str, Any], off: dict[str, Any], **loads: Any
) -> Capabilities:
    return read(MODELS, info, loads, on, off)


def test_an_engine_with_the_plug_in() -> None:
    told = found(DRAFT | {"internal_states": [PLUGIN]}, ON, OFF, accelerator="NVIDIA L4")
    assert (told.model, told.machine, told.counts) == ("qwen", "NVIDIA L4", True)
    assert told.switch.available and told.tree == Tree(5, 4, 16)
    assert told.usable_context == 2048 - 20, "the engine keeps room for a tree"


def test_without_the_plug_in_it_speculates_and_cannot_be_switched() -> None:
    told = found(DRAFT | {"internal_states": [{}]}, WITHOUT_PLUGIN, WITHOUT_PLUGIN)
    assert (told.counts, told.switch.reason) == (False, "switch.plugin_elsewhere")
    assert told.drafter == "EAGLE3" and told.tree


def test_without_a_draft_there_is_nothing_to_switch() -> None:
    told = found({"speculative_algorithm": None, "internal_states": [{}]}, {}, {})
    assert (told.drafter, told.tree, told.switch.reason) == (None, None, "switch.without_draft")
    assert told.usable_context == 2048


@pytest.mark.parametrize(
    ("report", "off"),
    [({"ok": False, "detail": "moved"}, OFF), ({"ok": True}, ON), ({"ok": True}, OFF | ON)],
)
def test_a_switch_is_believed_only_when_a_reply_without_speculation_was_one(
    report: dict[str, Any], off: dict[str, Any]
) -> None:
    state = {"eaglechat_plugin": {"switch": report}}
    told = found(DRAFT | {"internal_states": [state]}, ON, off)
    assert told.switch.reason == "switch.plugin_misfit"


def test_behind_a_gateway_that_tells_nothing_the_replies_tell() -> None:
    told = found({}, ON, OFF)
    assert told.switch.available and told.counts
    assert (told.drafter, told.tree, told.device, told.version) == ("?", None, "", "")


@pytest.mark.parametrize("shape", [(5, 4, 0), (None, None, 8)])
def test_a_drafter_whose_drafts_are_no_tree(shape: tuple[Any, Any, Any]) -> None:
    names = ("num_steps", "eagle_topk", "num_draft_tokens")
    told = {f"speculative_{name}": one for name, one in zip(names, shape, strict=True)}
    assert found({"speculative_algorithm": "NGRAM"} | told, ON, OFF).tree is None


def test_nothing_that_is_told_can_play_with_a_terminal() -> None:
    models = {"data": [{"id": "q\x1b[2Jwen" + "x" * 999, "max_model_len": 2048}]}
    told = read(models, {"version": "0.5\n23"}, {"accelerator": "L4\x07"}, ON, OFF)
    assert told.model.startswith("q[2Jwen") and len(told.model) == 200
    assert (told.version, told.machine) == ("0.523", "L4")


def test_without_the_context_nothing_is_assumed() -> None:
    with pytest.raises(KeyError):
        read({"data": [{"id": "qwen"}]}, {}, {}, ON, OFF)
