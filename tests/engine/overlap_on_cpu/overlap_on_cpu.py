"""An SGLang plug-in that runs the scheduler's overlapping loop on a CPU, as CUDA does, and
has SGLang check what is relayed and what is allocated at every step."""

from __future__ import annotations

from typing import Any

from chatapp.sglang_plugin import lengths

CHECKER = "sglang.srt.managers.scheduler_components.invariant_checker.SchedulerInvariantChecker"
STATE = "sglang.srt.managers.scheduler_components.internal_state.SchedulerInternalStateController"
WORKER = "sglang.srt.speculative.eagle_worker_v2.EAGLEWorkerV2"

checked = known = 0


def activate() -> None:
    from sglang.srt.arg_groups import speculative_hook
    from sglang.srt.managers import overlap_utils
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    speculative_hook._disable_overlap_schedule_for_cpu = keep_overlap
    overlap_utils._DEBUG_ASSERT = True  # a row of the relay is written before it is read
    HookRegistry.register(f"{CHECKER}._check_kv_page_invariants", count, HookType.AFTER)
    HookRegistry.register(f"{WORKER}.forward_batch_generation", compare, HookType.BEFORE)
    HookRegistry.register(f"{STATE}.get_internal_state", tell, HookType.AFTER)


def keep_overlap(server_args: Any) -> None:
    from sglang.srt.arg_groups.overrides import declare_resolution

    declare_resolution(server_args, "overlap_on_cpu", disable_overlap_schedule=False)


def count(result: Any, self: Any) -> Any:
    global checked
    checked += 1
    return result


def compare(self: Any, batch: Any, *args: Any, **kwargs: Any) -> None:
    """The lengths that are known are those that the device has."""
    global known
    if batch.forward_mode.is_decode():
        assert batch.seq_lens_cpu.tolist() == batch.seq_lens.tolist()
        assert batch.seq_lens_sum == sum(batch.seq_lens.tolist())
        known += lengths.known_lengths(batch) is not None


def tell(result: Any, self: Any, recv_req: Any) -> Any:
    result.internal_state["steps_checked"] = checked
    result.internal_state["steps_of_known_length"] = known
    return result
