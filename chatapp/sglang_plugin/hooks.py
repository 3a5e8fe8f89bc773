"""Every place in SGLang that we hook, and whether it looks as expected.

The hooks touch private names, so each is checked first. A feature is taken only when
all its hooks fit; otherwise the engine starts without it and says why. SGLang itself
swallows errors of plug-ins.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chatapp.sglang_plugin import counts, lengths, report, sampling, switch

WORKER = "sglang.srt.speculative.eagle_worker_v2.EAGLEWorkerV2"
DRAFT_WORKER = "sglang.srt.speculative.eagle_worker_v2.EagleDraftWorker"
EAGLE_UTILS = "sglang.srt.speculative.eagle_utils"
COMPONENTS = "sglang.srt.managers.scheduler_components"


@dataclass(frozen=True)
class Hook:
    """One hook: where, how (``before``, ``after``, ``around``; ``needs`` hooks nothing),
    and the parameters that the target must have."""

    target: str
    how: str
    function: Callable[..., Any] | None
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class Feature:
    """Hooks that only make sense together, and what else has to be set with them."""

    hooks: tuple[Hook, ...]
    prepare: Callable[[], None] | None = None
    cpu_only: bool = False


def create_backend(original, self, backend_name, backend_map, *args, **kwargs):
    """Around ``DraftBackendFactory._create_backend``: adds ``torch_native``."""
    from chatapp.sglang_plugin import backend

    runner = self.draft_model_runner

    def make():
        if kwargs.get("stamps_children"):
            return backend.MultiStepDraftBackend(runner, self.topk, self.speculative_num_steps)
        return backend.PlannedAttnBackend(runner)

    backends = {**backend_map, "torch_native": lambda: ("torch_native", make())}
    return original(self, backend_name, backends, *args, **kwargs)


SWITCH = (
    Hook(f"{WORKER}.init_cuda_graphs", "around", switch.build, ("self",)),
    Hook(
        f"{EAGLE_UTILS}.eagle_prepare_for_decode",
        "before",
        switch.activate_before_allocation,
        ("batch",),
    ),
    Hook(f"{EAGLE_UTILS}.eagle_prepare_for_decode", "before", lengths.remember_prefilled),
    Hook(
        "sglang.srt.managers.overlap_utils.FutureMap.resolve_seq_lens_cpu",
        "around",
        lengths.resolve,
        ("self", "batch"),
    ),
    Hook(
        "sglang.srt.model_executor.runner.decode_cuda_graph_runner.DecodeCudaGraphRunner"
        ".get_spec_info",
        "after",
        switch.name_a_chain,
        ("self", "num_tokens"),
    ),
    Hook(
        "sglang.srt.speculative.eagle_worker_common._finalize_accept_tree_path",
        "around",
        switch.keep_in_place,
        ("batch", "accept_index", "accept_lens", "predict", "num_draft_tokens"),
    ),
    Hook(
        f"{DRAFT_WORKER}._draft_extend_for_prefill",
        "around",
        switch.skip_draft_prefill,
        ("self", "batch", "target_hidden_states", "next_token_ids"),
    ),
    Hook(
        f"{EAGLE_UTILS}.eagle_sample",
        "after",
        switch.accept_no_draft,
        ("verify_input", "batch", "logits_output"),
    ),
    Hook(
        "sglang.srt.managers.scheduler.Scheduler.handle_generate_request",
        "before",
        switch.separate_namespace,
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

COUNTS = (
    Hook(
        f"{COMPONENTS}.batch_result_processor.SchedulerBatchResultProcessor"
        "._resolve_spec_v2_tokens",
        "around",
        counts.record_steps,
        ("self", "result", "batch"),
    ),
    Hook(
        f"{COMPONENTS}.output_streamer.SchedulerOutputStreamer.build_additional_customized_info",
        "around",
        counts.send_steps,
        ("self", "reqs"),
    ),
    Hook(
        f"{COMPONENTS}.output_streamer.SchedulerOutputStreamer"
        ".should_build_additional_customized_info",
        "around",
        counts.only_with_a_draft,
        ("self",),
    ),
    Hook(
        "sglang.srt.managers.tokenizer_manager.TokenizerManager.update_request_meta_info",
        "around",
        counts.put_on_chunk,
        ("self", "meta_info", "state", "customized_info", "index", "finish_reason"),
    ),
)

CPU_EAGLE = (
    Hook(
        "sglang.srt.speculative.draft_utils.DraftBackendFactory._create_backend",
        "around",
        create_backend,
        ("self", "backend_name", "backend_map"),
    ),
    Hook("sglang.srt.layers.attention.attention_registry.ATTENTION_BACKENDS", "needs", None),
)

CPU_SAMPLING = (
    Hook(
        f"{EAGLE_UTILS}.eagle_sample",
        "around",
        sampling.remember_batch,
        ("verify_input", "batch", "logits_output"),
    ),
    Hook(
        "sglang.kernels.ops.speculative.spec_tree.verify_tree_greedy_func",
        "around",
        sampling.walk_sampled,
        ("target_predict",),
    ),
    Hook(
        "sglang.srt.sampling.sampling_batch_info.SamplingBatchInfo.from_schedule_batch",
        "after",
        sampling.seed_batch,
        ("batch",),
    ),
    Hook(
        "sglang.srt.layers.sampler.Sampler._sample_from_probs",
        "around",
        sampling.draw_seeded,
        ("self", "probs", "sampling_info", "positions", "simple_sampling_case"),
    ),
)

REPORT = (
    Hook(
        f"{COMPONENTS}.internal_state.SchedulerInternalStateController.get_internal_state",
        "after",
        report.add_to_state,
        ("self", "recv_req"),
    ),
)


def take_over_torch_native() -> None:
    """Our backend under SGLang's name, for the target and for the draft's catch-up."""
    from sglang.srt.layers.attention import attention_registry

    from chatapp.sglang_plugin import backend

    attention_registry.ATTENTION_BACKENDS["torch_native"] = backend.PlannedAttnBackend


FEATURES = {
    "switch": Feature(SWITCH),
    "counts": Feature(COUNTS, counts.enable_sending),
    "report": Feature(REPORT),
    "cpu_eagle": Feature(CPU_EAGLE, take_over_torch_native, cpu_only=True),
    "cpu_sampling": Feature(CPU_SAMPLING, cpu_only=True),
}


def problem(hook: Hook) -> str | None:
    """Why this hook does not fit the installed SGLang; None when it does."""
    try:
        target = pkgutil.resolve_name(hook.target)
    except (ImportError, AttributeError) as error:
        return f"{hook.target} is not there: {error}"
    if not hook.parameters:
        return None
    missing = set(hook.parameters) - {"self", *inspect.signature(target).parameters}
    if missing:
        return f"{hook.target} has no parameter {', '.join(sorted(missing))}"
    return None


def check(feature: Feature) -> dict[str, Any]:
    """``{"ok": bool, "detail": why not}`` for the installed SGLang."""
    problems = [found for hook in feature.hooks if (found := problem(hook))]
    return {"ok": not problems, "detail": "; ".join(problems)}


def register(feature: Feature) -> None:
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    for hook in feature.hooks:
        if hook.function is not None:
            HookRegistry.register(hook.target, hook.function, HookType(hook.how))
    if feature.prepare:
        feature.prepare()
