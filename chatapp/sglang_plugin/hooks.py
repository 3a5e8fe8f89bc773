"""What the plug-in does, feature by feature: the hooks that all drafters share, and one row
for each drafter, whose hooks stand in its own module."""

from __future__ import annotations

from chatapp.sglang_plugin import (
    counts,
    eagle3_hooks,
    lengths,
    ngram_hooks,
    redaction,
    report,
    sampling,
    switch,
)
from chatapp.sglang_plugin.hook import Feature, Hook

EAGLE_UTILS = "sglang.srt.speculative.eagle_utils"
COMPONENTS = "sglang.srt.managers.scheduler_components"

SWITCH = (
    Hook(f"{EAGLE_UTILS}.eagle_prepare_for_decode", "before", lengths.remember_prefilled),
    Hook(
        "sglang.srt.managers.overlap_utils.FutureMap.resolve_seq_lens_cpu",
        "around",
        lengths.resolve,
        ("self", "batch"),
    ),
    Hook(
        f"{EAGLE_UTILS}.eagle_sample",
        "after",
        switch.accept_no_draft,
        ("verify_input", "batch", "logits_output"),
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

CPU_ATTENTION = (
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


REDACTION = (
    Hook(
        "sglang.srt.entrypoints.engine._server_args_for_logging",
        "around",
        redaction.hide_keys,
        ("server_args",),
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
    "redaction": Feature(REDACTION),
    "cpu_attention": Feature(CPU_ATTENTION, take_over_torch_native, cpu_only=True),
    "cpu_sampling": Feature(CPU_SAMPLING, cpu_only=True),
    "eagle3": Feature(eagle3_hooks.HOOKS),
    "cpu_eagle3": Feature(eagle3_hooks.CPU_HOOKS, cpu_only=True),
    "ngram": Feature(ngram_hooks.HOOKS),
    "cpu_ngram": Feature(ngram_hooks.CPU_HOOKS, cpu_only=True),
}
