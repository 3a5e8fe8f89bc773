"""What a chunk says of speculation, and which requests have it off."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chatapp.sglang_plugin import counts, eagle3_hooks, switch


def test_a_summary_is_recomputable_from_the_steps():
    said = counts.summarise([1, 3, 4, 3], on=True)
    assert said == {
        "on": True,
        "verify_steps": 4,
        "accepted_drafts": 7,
        "histogram": [1, 0, 2, 1],
        "step_lengths": [1, 3, 4, 3],
    }
    assert sum(i * n for i, n in enumerate(said["histogram"])) == said["accepted_drafts"]


def test_no_steps_say_nothing():
    said = counts.summarise([], on=False)
    assert said["verify_steps"] == said["accepted_drafts"] == 0
    assert said["histogram"] == said["step_lengths"] == []


def test_steps_are_sent_once_and_a_cut_one_counts_what_was_kept():
    record = counts.StepRecord([counts.Step(1, 4), counts.Step(5, 3)])
    assert record.take_new(tokens=8) == [4, 3]
    assert record.take_new(tokens=8) == []
    record.steps.append(counts.Step(8, 5))
    assert record.take_new(tokens=10) == [2]


@pytest.mark.parametrize(
    "custom, off",
    [
        ({"speculation": False}, True),
        ({"speculation": True}, False),
        ({}, False),
        (None, False),
        ({"speculation": 0}, False),
    ],
)
def test_only_a_plain_false_switches_off(custom, off):
    for told in ({"custom_params": custom}, SimpleNamespace(custom_params=custom)):
        assert switch.is_off(SimpleNamespace(sampling_params=told, extra_key=None)) is off


def test_where_a_gateway_drops_the_parameter_the_cache_key_says_it():
    for key, off in (("speculation=off", True), ("mine|speculation=off", True), ("mine", False)):
        request = SimpleNamespace(sampling_params={}, extra_key=key)
        assert switch.is_off(request) is off


def test_off_requests_get_a_namespace_only_when_there_is_a_switch(monkeypatch):
    def request():
        return SimpleNamespace(
            sampling_params={"custom_params": {"speculation": False}}, extra_key="mine"
        )

    plain = request()
    monkeypatch.setattr(eagle3_hooks, "current", None)
    eagle3_hooks.separate_namespace(None, plain)
    assert plain.extra_key == "mine"
    switched = request()
    monkeypatch.setattr(eagle3_hooks, "current", object())
    eagle3_hooks.separate_namespace(None, switched)
    assert switched.extra_key == f"mine|{switch.NAMESPACE}"
    eagle3_hooks.separate_namespace(None, switched)
    assert switched.extra_key == f"mine|{switch.NAMESPACE}", "said once is enough"
