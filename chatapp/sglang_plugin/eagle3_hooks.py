"""EAGLE-3 behind the switch, and on any CPU.

* A decode batch whose requests are all *off* runs the target alone: one token per
  request and step, no draft, no catch-up of the draft's KV cache. Their prefill skips
  the draft as well.
* Skipped work leaves the draft's KV cache cold, so requests with speculation off have
  a prefix-cache namespace of their own. A conversation that is switched on again has
  its prefix computed once more, with the draft, and drafts as if never switched off.

It uses what SGLang built for adaptive speculation: a runtime state of 0 steps, 1
token beside the configured one. On CUDA that captures a second set of graphs.

What *off* costs on CUDA beside a plain decode, read in SGLang 0.5.23 and FlashInfer 0.7.2: it
stays a verify step, of one token, and so launches about twenty small kernels more (a tree of
one node, a mask of ones and its packing, indices, the walk). What would cost more is that the
host stops five times a step until the step before has run, so that nothing overlaps, where a
plain decode never stops: once to fetch the lengths, four times in FlashInfer's ``plan``. None
of that is needed, because without speculation every step adds one token: lengths are counted
on the host (``lengths``), and the graphs of *off* are captured with SGLang's own flag for plans
made of such lengths (:func:`captured_for_one_token`). Triton's attention would not stop
either, but its verify kernel does not split a long prefix over the card; so FlashInfer stays,
for trees and chains alike. A mixed batch costs what one with speculation costs.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from chatapp.sglang_plugin import report
from chatapp.sglang_plugin.draft_memory import draft_memory, graph_memory
from chatapp.sglang_plugin.hook import Hook
from chatapp.sglang_plugin.switch import NAMESPACE, is_off, requests_off

log = logging.getLogger(__name__)

WORKER = "sglang.srt.speculative.eagle_worker_v2.EAGLEWorkerV2"
DRAFT_WORKER = "sglang.srt.speculative.eagle_worker_v2.EagleDraftWorker"


class EagleSwitch:
    """Holds the two runtime states of an ``EAGLEWorkerV2`` and applies one.

    ``activate`` is called before slots are allocated for a step, because how many are
    reserved follows from the state.
    """

    def __init__(self, worker: Any) -> None:
        from sglang.srt.speculative.adaptive_runtime_state import SpecRuntimeState

        draft, target = worker._draft_worker, worker._target_worker.model_runner
        self.worker = worker
        self.on = SpecRuntimeState(
            speculative_num_steps=worker.speculative_num_steps,
            speculative_num_draft_tokens=worker.speculative_num_draft_tokens,
            draft_attn_backend=draft.draft_attn_backend,
            cuda_graph_runner=draft.cuda_graph_runner,
            target_attn_backend=target.attn_backend,
            target_graph_runner=target.decode_cuda_graph_runner,
            draft_extend_attn_backend=draft.draft_extend_attn_backend,
            cuda_graph_runner_for_draft_extend=draft.cuda_graph_runner_for_draft_extend,
        )
        self.off = worker.build_adaptive_runtime_state(0, 1)

    def activate(self, batch: Any) -> None:
        off = requests_off(batch)
        if off:
            self.worker.apply_runtime_state(self.off if all(off) else self.on)


# --- hooks -------------------------------------------------------------------------

current: EagleSwitch | None = None  # one worker in a scheduler process


def build(original: Any, self: Any, *args: Any, **kwargs: Any) -> Any:
    """Around ``EAGLEWorkerV2.init_cuda_graphs``: both states, once the first is there."""
    global current
    result = original(self, *args, **kwargs)
    # SGLang's own flag: with 0 steps the draft's catch-up is skipped as well.
    os.environ["SGLANG_SPEC_SKIP_ZERO_STEP_DRAFT_EXTEND"] = "1"
    with _measured(self) as cost, _draft_contexts(self), captured_for_one_token():
        current = EagleSwitch(self)
    report.second_state, report.draft = cost, draft_memory(self)
    log.info("Speculation switch is ready: %s; second state: %s", _states(current), cost)
    return result


@contextmanager
def _draft_contexts(worker: Any) -> Iterator[None]:
    """Those in which SGLang builds its own states: the draft's layout may be another."""
    from sglang.srt.speculative import eagle_worker_v2 as module

    with (
        module.draft_tp_context(worker._draft_worker.parallel_layout),
        module.speculative_moe_backend_context(),
        module.speculative_moe_a2a_backend_context(),
    ):
        yield


@contextmanager
def captured_for_one_token() -> Iterator[None]:
    """SGLang's flags while the graphs of *off* are captured: none for the draft's catch-up,
    which is skipped, and FlashInfer's plans from lengths on the host, without a stop."""
    from sglang.srt.environ import envs

    with (
        envs.SGLANG_DISABLE_DRAFT_EXTEND_CUDA_GRAPH.override(True),
        envs.SGLANG_OPT_FLASHINFER_VERIFY_HOST_PLAN.override(True),
    ):
        yield


@contextmanager
def _measured(worker: Any) -> Iterator[dict[str, Any]]:
    """Seconds and, on a GPU, bytes that the second state took; ``graph_bytes`` of them are
    in SGLang's own account of its graphs as well."""
    cost: dict[str, Any] = {"seconds": None, "bytes": None, "graph_bytes": None}
    began, before, graphs = time.perf_counter(), _free_bytes(), graph_memory(worker)
    yield cost
    after = _free_bytes()
    cost["seconds"] = round(time.perf_counter() - began, 3)
    if before is not None and after is not None:
        cost |= {"bytes": before - after, "graph_bytes": graph_memory(worker) - graphs}


def _free_bytes() -> int | None:
    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None


def _states(switch: EagleSwitch) -> str:
    on, off = switch.on, switch.off
    return (
        f"on {on.speculative_num_steps} steps, {on.speculative_num_draft_tokens} tokens; "
        f"off {off.speculative_num_steps} steps, {off.speculative_num_draft_tokens} token"
    )


def activate_before_allocation(batch: Any) -> None:
    """Before ``eagle_prepare_for_decode``."""
    if current is not None:
        current.activate(batch)


def keep_in_place(
    original: Any,
    batch: Any,
    accept_index: Any,
    accept_lens: Any,
    predict: Any,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Around ``_finalize_accept_tree_path``, which brings the accepted nodes of a tree to the
    front: a single token stands there."""
    if kwargs.get("num_draft_tokens") == 1:
        return predict
    return original(batch, accept_index, accept_lens, predict, *args, **kwargs)


def name_a_chain(result: Any, self: Any, num_tokens: Any) -> Any:
    """After ``DecodeCudaGraphRunner.get_spec_info``: a tree of one token is a chain, and
    plans from lengths on the host are for chains."""
    if getattr(result, "draft_token_num", None) == 1:
        result.topk = 1
    return result


def skip_draft_prefill(
    original: Any,
    self: Any,
    batch: Any,
    target_hidden_states: Any,
    next_token_ids: Any,
    *args: Any,
    **kw: Any,
) -> Any:
    """Around ``EagleDraftWorker._draft_extend_for_prefill``."""
    off = requests_off(batch)
    if current is None or not off or not all(off):
        return original(self, batch, target_hidden_states, next_token_ids, *args, **kw)
    return _blank_draft_input(self, next_token_ids)


def _blank_draft_input(draft_worker: Any, bonus_tokens: torch.Tensor) -> Any:
    """A draft input of the right shapes that no step with speculation off reads."""
    from sglang.srt.speculative.eagle_info import EagleDraftInput
    from sglang.srt.speculative.eagle_utils import get_draft_recurrent_hidden_state_spec

    rows, device = bonus_tokens.shape[0], bonus_tokens.device
    width, dtype = get_draft_recurrent_hidden_state_spec(draft_worker.draft_runner)
    return EagleDraftInput(
        topk_p=torch.zeros((rows, draft_worker.topk), dtype=torch.float32, device=device),
        topk_index=torch.zeros((rows, draft_worker.topk), dtype=torch.int64, device=device),
        hidden_states=torch.zeros((rows, width), dtype=dtype, device=device),
        bonus_tokens=bonus_tokens,
        num_tokens_per_req=1,
        num_tokens_for_logprob_per_req=1,
    )


def separate_namespace(self: Any, recv_req: Any, *args: Any, **kwargs: Any) -> None:
    """Before ``Scheduler.handle_generate_request``."""
    key = recv_req.extra_key or ""
    if current is not None and is_off(recv_req) and NAMESPACE not in key:
        recv_req.extra_key = "|".join(filter(None, (key, NAMESPACE)))


def create_backend(
    original: Any, self: Any, backend_name: Any, backend_map: Any, *args: Any, **kwargs: Any
) -> Any:
    """Around ``DraftBackendFactory._create_backend``: adds ``torch_native``."""
    from chatapp.sglang_plugin import backend

    runner = self.draft_model_runner

    def make() -> Any:
        if kwargs.get("stamps_children"):
            return backend.MultiStepDraftBackend(runner, self.topk, self.speculative_num_steps)
        return backend.PlannedAttnBackend(runner)

    backends = {**backend_map, "torch_native": lambda: ("torch_native", make())}
    return original(self, backend_name, backends, *args, **kwargs)


HOOKS = (
    Hook(f"{WORKER}.init_cuda_graphs", "around", build, ("self",)),
    Hook(
        "sglang.srt.speculative.eagle_utils.eagle_prepare_for_decode",
        "before",
        activate_before_allocation,
        ("batch",),
    ),
    Hook(
        "sglang.srt.model_executor.runner.decode_cuda_graph_runner.DecodeCudaGraphRunner"
        ".get_spec_info",
        "after",
        name_a_chain,
        ("self", "num_tokens"),
    ),
    Hook(
        "sglang.srt.speculative.eagle_worker_common._finalize_accept_tree_path",
        "around",
        keep_in_place,
        ("batch", "accept_index", "accept_lens", "predict", "num_draft_tokens"),
    ),
    Hook(
        f"{DRAFT_WORKER}._draft_extend_for_prefill",
        "around",
        skip_draft_prefill,
        ("self", "batch", "target_hidden_states", "next_token_ids"),
    ),
    Hook(
        "sglang.srt.managers.scheduler.Scheduler.handle_generate_request",
        "before",
        separate_namespace,
        ("self", "recv_req"),
    ),
    Hook(
        f"{WORKER}.build_adaptive_runtime_state",
        "needs",
        None,
        ("self", "speculative_num_steps", "speculative_num_draft_tokens"),
    ),
    Hook(f"{WORKER}.apply_runtime_state", "needs", None, ("self", "state")),
    Hook(f"{WORKER}._stub_skipped_draft_extend", "needs", None, ("self", "batch")),
    Hook(
        "sglang.srt.speculative.adaptive_runtime_state.SpecRuntimeState",
        "needs",
        None,
        (
            "speculative_num_steps",
            "speculative_num_draft_tokens",
            "draft_attn_backend",
            "cuda_graph_runner",
            "target_attn_backend",
            "target_graph_runner",
            "draft_extend_attn_backend",
            "cuda_graph_runner_for_draft_extend",
        ),
    ),
)

CPU_HOOKS = (
    Hook(
        "sglang.srt.speculative.draft_utils.DraftBackendFactory._create_backend",
        "around",
        create_backend,
        ("self", "backend_name", "backend_map"),
    ),
)
