"""The two states of the switch: what is captured for each, and what changes hands between
them. The worker is SGLang's; the runners that would capture CUDA graphs are stand-ins."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sglang.srt.environ import envs
from sglang.srt.managers.scheduler import Scheduler
from sglang.srt.runtime_context import get_spec
from sglang.srt.speculative import eagle_worker_v2 as module
from torch.nn import Module

from chatapp.domain import Tree
from chatapp.sglang_plugin import eagle3_hooks


@dataclass
class Captures:
    """What was captured, in order: kind, steps, tokens; and with which flags."""

    done: list[tuple[str, int, int]] = field(default_factory=list)
    host_plan: list[bool] = field(default_factory=list)

    def runner(self, kind: str) -> type:
        captures = self

        class Runner:
            def __init__(self, owner: Any, **given: Any) -> None:
                self.kind = kind
                captures.done.append(
                    (
                        kind,
                        get_spec().speculative_num_steps,
                        get_spec().speculative_num_draft_tokens,
                    )
                )
                captures.host_plan.append(envs.SGLANG_OPT_FLASHINFER_VERIFY_HOST_PLAN.get())

        return Runner


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> Captures:
    made = Captures()
    monkeypatch.delenv("SGLANG_SPEC_SKIP_ZERO_STEP_DRAFT_EXTEND", raising=False)
    monkeypatch.setattr(module, "_is_cpu", False)
    # As for a card whose draft's catch-up has graphs; CUDA's own branch imports its kernels.
    monkeypatch.setattr(module, "_is_xpu", True)
    monkeypatch.setattr(module, "check_cuda_graph_backend", lambda *_: False)
    monkeypatch.setattr(module, "get_batch_sizes_to_capture", lambda *_: ([1, 2], None))
    monkeypatch.setattr(module, "get_available_gpu_memory", lambda *_: 0.0)
    monkeypatch.setattr(module, "DecodeCudaGraphRunner", made.runner("target"))
    monkeypatch.setattr(module, "EAGLEDraftCudaGraphRunner", made.runner("draft"))
    monkeypatch.setattr(module, "EAGLEDraftExtendCudaGraphRunner", made.runner("catch-up"))
    monkeypatch.setattr(module, "DraftBackendFactory", Factory)
    monkeypatch.setattr(module, "parse_qsa_profile", lambda *_: None)
    for name in ("draft_pp_context", "draft_tp_context", "speculative_moe_backend_context"):
        monkeypatch.setattr(module, name, lambda *_: nullcontext())
    monkeypatch.setattr(module, "speculative_moe_a2a_backend_context", nullcontext)
    monkeypatch.setattr(eagle3_hooks, "current", None)
    return made


class Factory:
    """Of SGLang's, the rule that fewer than two steps draft with no attention of their own."""

    def __init__(self, runner: Any, topk: int, steps: int, **given: Any) -> None:
        self.steps = steps

    def create_decode_backend(self) -> Any:
        return SimpleNamespace(attn_backends=[]) if self.steps > 1 else None

    def create_draft_extend_backend(self) -> Any:
        return SimpleNamespace()


def make_worker(tree: Tree) -> module.EAGLEWorkerV2:
    """Initialised as far as the scheduler has come when it captures graphs."""
    target_runner = SimpleNamespace(
        attn_backend=SimpleNamespace(name="first"),
        decode_cuda_graph_runner=None,
        init_new_workspace=False,
        _get_attention_backend=lambda init_new_workspace: SimpleNamespace(own=init_new_workspace),
        model=Module(),
    )
    target = SimpleNamespace(model_runner=target_runner, device="cuda")
    shape = {
        "topk": tree.topk,
        "speculative_num_steps": tree.steps,
        "speculative_num_draft_tokens": tree.draft_tokens,
        "device": "cpu",
        "gpu_id": 0,
    }
    draft = object.__new__(module.EagleDraftWorker)
    draft.__dict__ |= shape | {
        "target_worker": target,
        "server_args": None,
        "parallel_layout": None,
        "seed_dsa_topk_from_draft_extend": False,
        "draft_worker": SimpleNamespace(init_cuda_graphs=lambda **_: None),
        "draft_runner": SimpleNamespace(
            model_config=SimpleNamespace(hf_config=SimpleNamespace()),
            kv_index_translator=SimpleNamespace(is_translating=False),
            canary_manager=None,
            graph_memory_usage={},
            model=Module(),
            token_to_kv_pool=SimpleNamespace(mem_usage=0.0),
        ),
        "_specialized_graph_memory_usage": {},
        "_specialized_graph_time_usage": {},
    }
    draft.init_attention_backend()
    worker = object.__new__(module.EAGLEWorkerV2)
    worker.__dict__ |= shape | {
        "_target_worker": target,
        "_draft_worker": draft,
        "adaptive_controller": None,
        "_additional_graph_memory_usage": {},
        "_additional_graph_time_usage": {},
    }
    return worker


def started(worker: module.EAGLEWorkerV2, captures: Captures) -> None:
    """As the scheduler captures, with the hook around the worker's part."""
    target = worker._target_worker.model_runner

    def capture_target() -> None:
        target.decode_cuda_graph_runner = captures.runner("target")(target)

    scheduler = SimpleNamespace(
        tp_worker=SimpleNamespace(init_cuda_graphs=capture_target),
        draft_worker=SimpleNamespace(
            init_cuda_graphs=lambda: eagle3_hooks.build(
                module.EAGLEWorkerV2.init_cuda_graphs, worker
            )
        ),
    )
    Scheduler.init_all_cuda_graphs(scheduler)


def held(worker: module.EAGLEWorkerV2) -> dict[str, Any]:
    """All that a state swaps, where a step looks for it."""
    draft, target = worker._draft_worker, worker._target_worker.model_runner
    return {
        "steps": worker.speculative_num_steps,
        "tokens": worker.speculative_num_draft_tokens,
        "draft's steps": draft.speculative_num_steps,
        "draft's tokens": draft.speculative_num_draft_tokens,
        "known steps": get_spec().speculative_num_steps,
        "known tokens": get_spec().speculative_num_draft_tokens,
        "draft attention": draft.draft_attn_backend,
        "runner's draft attention": draft.draft_runner.draft_attn_backend,
        "catch-up attention": draft.draft_extend_attn_backend,
        "runner's attention": draft.draft_runner.attn_backend,
        "draft graphs": draft.cuda_graph_runner,
        "catch-up graphs": draft.cuda_graph_runner_for_draft_extend,
        "target attention": target.attn_backend,
        "target graphs": target.decode_cuda_graph_runner,
    }


def batch(*sides: bool) -> SimpleNamespace:
    requests = [
        SimpleNamespace(sampling_params=SimpleNamespace(custom_params={"speculation": side}))
        for side in sides
    ]
    return SimpleNamespace(reqs=requests)


def test_what_is_captured_and_in_which_order(captures: Captures, tree: Tree) -> None:
    """The target first, as SGLang's states expect; for *off* one graph of one token, and no
    catch-up, which it never runs."""
    started(make_worker(tree), captures)
    on = tree.steps, tree.draft_tokens
    assert captures.done == [("target", *on), ("draft", *on), ("catch-up", *on), ("target", 0, 1)]
    assert captures.host_plan == [False, False, False, True]
    assert not envs.SGLANG_OPT_FLASHINFER_VERIFY_HOST_PLAN.get()
    assert not envs.SGLANG_DISABLE_DRAFT_EXTEND_CUDA_GRAPH.get()
    assert envs.SGLANG_SPEC_SKIP_ZERO_STEP_DRAFT_EXTEND.get()


def test_building_leaves_the_worker_as_it_was(captures: Captures, tree: Tree) -> None:
    worker = make_worker(tree)
    started(worker, captures)
    now, on = held(worker), eagle3_hooks.current.on
    assert (now["steps"], now["tokens"]) == (tree.steps, tree.draft_tokens)
    assert now["target attention"].name == "first" and now["target graphs"].kind == "target"
    assert now["draft graphs"].kind == "draft" and now["catch-up graphs"].kind == "catch-up"
    assert on.target_graph_runner is now["target graphs"]
    assert on.target_attn_backend is now["target attention"]
    assert worker._target_worker.model_runner.init_new_workspace is False


def test_states_change_hands_as_a_whole(captures: Captures, tree: Tree) -> None:
    worker = make_worker(tree)
    started(worker, captures)
    both, on = eagle3_hooks.current, held(worker)
    eagle3_hooks.activate_before_allocation(batch(False, False))
    off = held(worker)
    assert {off[name] for name in ("steps", "draft's steps", "known steps")} == {0}
    assert {off[name] for name in ("tokens", "draft's tokens", "known tokens")} == {1}
    assert off["draft attention"] is off["runner's draft attention"] is None
    assert off["draft graphs"] is off["catch-up graphs"] is None
    assert off["catch-up attention"] is off["runner's attention"] is not on["catch-up attention"]
    assert off["target attention"] is both.off.target_attn_backend is not on["target attention"]
    assert off["target attention"].own, "it plans into a workspace of its own"
    assert off["target graphs"] is both.off.target_graph_runner is not on["target graphs"]
    for some in (batch(), batch(False)):
        eagle3_hooks.activate_before_allocation(some)
        assert held(worker) == off
    for some in (batch(True, False), batch(True), batch()):
        eagle3_hooks.activate_before_allocation(some)
        assert held(worker) == on
