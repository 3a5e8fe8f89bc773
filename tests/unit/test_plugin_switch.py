"""The switch's hooks: what they change, and that no host ever waits for a device in them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from chatapp.sglang_plugin import counts, eagle3_hooks, lengths, switch

ON, OFF = {"speculation": True}, {"speculation": False}

# Of torch's functions, those that bring values from the host to a device.
BRINGS = {"tensor", "as_tensor", "asarray", "from_numpy", "new_tensor"}


class Crossings(TorchFunctionMode):
    """Writes down every call that takes values from the host to a device, where CUDA makes
    the host wait. The device is torch's *meta*: what fetches values from it raises."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._below = _Copies(self.seen)

    def __enter__(self) -> Crossings:
        self._below.__enter__()
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)
        self._below.__exit__(*raised)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = getattr(function, "__name__", "")
        if name in BRINGS and result.device.type == "meta":
            self.seen.append(name)
        return result


class _Copies(TorchDispatchMode):
    """Copies that torch makes below its functions, as an assignment does."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [one for one in (*args, result) if isinstance(one, torch.Tensor)]
        if len({tensor.device.type for tensor in tensors if tensor.dim()}) > 1:
            self._seen.append(str(function))
        return result


def batch(*custom: dict[str, Any]) -> SimpleNamespace:
    def request(said: dict[str, Any]) -> SimpleNamespace:
        return SimpleNamespace(
            sampling_params=SimpleNamespace(custom_params=said),
            spec_verify_ct=0,
            output_ids=[1],
            decode_batch_idx=0,
            kv=SimpleNamespace(kv_committed_len=5),
        )

    return SimpleNamespace(reqs=[request(said) for said in custom])


def verified(device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What ``eagle_sample`` gives for three requests and trees of depth 2: all tokens,
    how many were gained, and which nodes (-1: none)."""
    index = [[0, 2, 3], [4, 5, -1], [8, -1, -1]]
    return (
        torch.arange(12, dtype=torch.int32, device=device),
        torch.tensor([3, 2, 1], dtype=torch.int32, device=device),
        torch.tensor(index, dtype=torch.int32, device=device),
    )


@pytest.mark.parametrize(
    ("custom", "lengths", "nodes"),
    [
        ((ON, ON, ON), [3, 2, 1], [[0, 2, 3], [4, 5, -1], [8, -1, -1]]),
        ((OFF, ON, ON), [1, 2, 1], [[0, -1, -1], [4, 5, -1], [8, -1, -1]]),
        ((ON, OFF, OFF), [3, 1, 1], [[0, 2, 3], [4, -1, -1], [8, -1, -1]]),
        ((OFF, OFF, OFF), [1, 1, 1], [[0, -1, -1], [4, -1, -1], [8, -1, -1]]),
    ],
)
def test_a_request_with_speculation_off_gains_the_token_after_the_root(custom, lengths, nodes):
    tokens, gained, index = switch.accept_no_draft(verified(), None, batch(*custom))
    assert tokens.tolist() == list(range(12))
    assert gained.tolist() == lengths and index.tolist() == nodes


def test_a_step_that_drafts_nothing_stays_as_it_is():
    tokens = torch.tensor([7]), torch.tensor([1]), torch.tensor([[0]])
    assert switch.accept_no_draft(tokens, None, batch(OFF)) is tokens
    idle = tuple(torch.empty(0) for _ in range(3))
    assert switch.accept_no_draft(idle, None, batch()) is idle


def test_a_single_token_is_not_moved_and_a_tree_is():
    moved = []

    def move(batch, index, lengths, tokens, *args, **named):
        moved.append(named["num_draft_tokens"])
        return "moved"

    for width, wanted in ((1, "tokens"), (16, "moved")):
        given = None, None, None, "tokens", None, 3
        assert eagle3_hooks.keep_in_place(move, *given, num_draft_tokens=width) == wanted
    assert moved == [16]


@pytest.mark.parametrize(
    "brings",
    [
        lambda x: torch.tensor([True, False], device=x.device),
        lambda x: torch.as_tensor([1], device=x.device),
        lambda x: torch.zeros(3).to(x.device),
        lambda x: x.copy_(torch.zeros(3)),
        lambda x: x.__setitem__(slice(None), torch.zeros(3)),
    ],
)
def test_the_counter_finds_what_is_brought_to_a_device(brings):
    with Crossings() as found:
        brings(torch.zeros(3, device="meta"))
    assert len(found.seen) == 1


@pytest.mark.parametrize(
    "fetches",
    [
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: x.cpu(),
        lambda x: bool(x[0] > 0),
        lambda x: int(x[0]),
        lambda x: x[x > 0],
    ],
)
def test_what_fetches_from_a_device_cannot_go_unseen(fetches):
    with Crossings(), pytest.raises((RuntimeError, NotImplementedError)):
        fetches(torch.zeros(3, device="meta"))


def test_nothing_crosses_in_the_hooks_of_a_step(monkeypatch):
    mixed, result = batch(ON, OFF, ON), verified("meta")
    applied = []
    worker = SimpleNamespace(apply_runtime_state=applied.append)
    states = SimpleNamespace(on="on", off="off", worker=worker)
    monkeypatch.setattr(
        eagle3_hooks,
        "current",
        SimpleNamespace(activate=lambda b: eagle3_hooks.EagleSwitch.activate(states, b)),
    )
    with Crossings() as found:
        for some in (mixed, batch(OFF), batch(ON), batch()):
            eagle3_hooks.activate_before_allocation(some)
            lengths.remember_prefilled(some)
            lengths.known_lengths(some)
        for _ in range(3):
            switch.accept_no_draft(result, None, mixed)
        counts.record_steps(lambda self, result, batch: [[5], [6], [7]], None, None, mixed)
    assert found.seen == []
    assert applied == ["on", "off", "on"]


def stepped(requests: SimpleNamespace, settled: int) -> list[int] | None:
    """A step is launched; ``settled`` tokens of steps before it have been looked at."""
    lengths.remember_prefilled(requests)
    for request in requests.reqs:
        request.decode_batch_idx += 1
        request.kv.kv_committed_len += settled
    return lengths.known_lengths(requests)


def test_without_speculation_lengths_are_known_with_a_step_in_flight():
    requests = batch(OFF, OFF)
    requests.reqs[1].kv.kv_committed_len = 9
    assert stepped(requests, 0) == [5, 9]
    assert stepped(requests, 0) == [6, 10]  # the first step is in flight
    assert stepped(requests, 1) == [7, 11]
    assert stepped(requests, 2) == [8, 12]  # all has been looked at


def test_a_request_that_was_taken_back_begins_anew():
    requests = batch(OFF)
    stepped(requests, 0), stepped(requests, 1)
    requests.reqs[0].decode_batch_idx = 0
    requests.reqs[0].kv.kv_committed_len = 7
    assert stepped(requests, 0) == [7]


def test_lengths_of_others_are_not_known():
    assert stepped(batch(ON), 0) is None
    assert stepped(batch(OFF, ON), 0) is None
    assert stepped(batch(), 0) is None
    assert stepped(batch(OFF), 3) is None, "somebody else has added tokens"


@pytest.mark.parametrize(("sides", "fetched"), [((OFF, OFF), False), ((ON, OFF), True)])
def test_known_lengths_are_not_fetched(sides, fetched):
    seen = []

    class Relay:
        needs_cpu_seq_lens = True

    def original(self, batch):
        seen.append(self.needs_cpu_seq_lens)
        batch.seq_lens_cpu = batch.seq_lens_sum = None

    requests = batch(*sides)
    stepped(requests, 0)
    requests.spec_info = SimpleNamespace(future_indices=torch.arange(2))
    relay = Relay()
    lengths.resolve(original, relay, requests)
    assert seen == [fetched] and relay.needs_cpu_seq_lens
    if not fetched:
        assert requests.seq_lens_cpu.tolist() == [5, 5] and requests.seq_lens_sum == 10
