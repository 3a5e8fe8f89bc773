"""FlashInfer's plan for a step with speculation off: made without asking the device.

SGLang's own code runs on torch's *meta* device, of which nothing can be read; FlashInfer's
compiled part, which would be given the plan's figures, writes them down.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from sglang.kernels.ops.speculative import pack_verify_mask
from sglang.srt.environ import envs
from sglang.srt.layers.attention import flashinfer_backend as flashinfer
from sglang.srt.model_executor.forward_batch_info import ForwardMode
from sglang.srt.speculative.eagle_info import EagleVerifyInput
from sglang.srt.speculative.eagle_worker_v2 import EAGLEWorkerV2

from chatapp.sglang_plugin import eagle3_hooks

LENGTHS = [7, 300, 1]


class Wrapper:
    """A wrapper of FlashInfer's for CUDA graphs, after its first plan."""

    is_cuda_graph_enabled, _backend, _max_total_num_rows = True, "fa2", None
    _float_workspace_buffer = _int_workspace_buffer = _pin_memory_int_workspace_buffer = None

    def __init__(self, requests: int) -> None:
        self.device = torch.device("meta")
        self._cached_module = SimpleNamespace(plan=lambda *given: given)
        for name, size in (
            ("_qo_indptr_buf", requests + 1),
            ("_paged_kv_indptr_buf", requests + 1),
            ("_paged_kv_last_page_len_buf", requests),
            ("_paged_kv_indices_buf", 4096),
            ("_mask_indptr_buf", requests + 1),
            ("_custom_mask_buf", 4096),
        ):
            setattr(self, name, torch.zeros(size, dtype=torch.int32, device="meta"))

    def begin_forward(self, *given, **named) -> None:
        given[0].to("cpu")  # as FlashInfer's does


def updater(wrapper: Wrapper) -> SimpleNamespace:
    translator = SimpleNamespace(reads_are_translated=False, pack_read_stream=lambda *a, **k: None)
    made = object.__new__(flashinfer.FlashInferIndicesUpdaterPrefill)
    size = len(LENGTHS) + 1
    made.__dict__ |= {
        "attn_backend": SimpleNamespace(kv_index_translator=translator),
        "prefill_wrapper_ragged": None,
        "kv_indptr": [torch.zeros(size, dtype=torch.int32, device="meta")],
        "qo_indptr": [torch.zeros(size, dtype=torch.int32, device="meta")],
        "kv_last_page_len": torch.ones(size, dtype=torch.int32, device="meta"),
        "num_qo_heads": 32,
        "num_kv_heads": 8,
        "head_dim": 128,
        "q_data_type": torch.float16,
        "data_type": torch.float16,
        "_swa_kv_pool": None,
    }
    return made


def one_token(topk: int) -> EagleVerifyInput:
    """The input of a step with speculation off, as SGLang's worker makes it."""
    worker = object.__new__(EAGLEWorkerV2)
    attention = SimpleNamespace(verify_mask=None)
    worker.__dict__ |= {
        "topk": topk,
        "device": "meta",
        "_target_worker": SimpleNamespace(model_runner=SimpleNamespace(attn_backend=attention)),
    }
    made = SimpleNamespace(
        forward_mode=ForwardMode.DECODE,
        spec_info=SimpleNamespace(bonus_tokens=torch.zeros(3, dtype=torch.long, device="meta")),
        seq_lens=torch.zeros(3, dtype=torch.long, device="meta"),
        seq_lens_cpu=torch.tensor(LENGTHS),
        seq_lens_sum=sum(LENGTHS),
    )
    return worker._build_trivial_verify_input(made)


def capture(topk: int) -> Wrapper:
    """The part of SGLang's capture that chooses how a replay will plan."""
    wrapper = Wrapper(len(LENGTHS))
    backend = object.__new__(flashinfer.FlashInferAttnBackend)
    backend.__dict__ |= {
        "prefill_cuda_graph_metadata": {3: [wrapper]},
        "indices_updater_prefill": SimpleNamespace(update=lambda *a, **k: None),
        "_prepare_cuda_graph_metadata": lambda *a: None,
        "prefill_backend": "fa2",
        "dispatch_reason": None,
        "flashinfer_kv_cache_dtype": torch.float16,
        "use_sliding_window_kv_pool": False,
    }
    spec = eagle3_hooks.name_a_chain(one_token(topk), None, 3)
    made = SimpleNamespace(
        batch_size=3,
        req_pool_indices=torch.zeros(3),
        seq_lens=torch.zeros(3),
        seq_lens_cpu=torch.ones(3),
        seq_lens_sum=3,
        encoder_lens=None,
        forward_mode=ForwardMode.TARGET_VERIFY,
        spec_info=spec,
        positions=torch.zeros(3),
        kv_loc_plan=None,
    )
    backend.init_forward_metadata_out_graph(made, in_capture=True)
    return wrapper


def plan(wrapper: Wrapper, topk: int) -> tuple:
    """A replay's plan; what it gives to FlashInfer's compiled part."""
    updater(wrapper).update_single_wrapper(
        torch.zeros(3, dtype=torch.long, device="meta"),
        torch.zeros(3, dtype=torch.long, device="meta"),
        torch.tensor(LENGTHS),
        sum(LENGTHS),
        None,
        [wrapper],
        False,
        None,
        one_token(topk),
        plan=None,
    )
    return wrapper._plan_info


@pytest.mark.parametrize("topk", [1, 4])
def test_a_step_with_speculation_off_is_planned_without_the_device(topk, monkeypatch) -> None:
    packed = []
    monkeypatch.setattr(
        pack_verify_mask, "pack_verify_mask_into", lambda *given, **named: packed.append(named)
    )
    with eagle3_hooks.captured_for_one_token():
        wrapper = capture(topk)
    assert wrapper.begin_forward.func is flashinfer.fast_prefill_plan
    given = plan(wrapper, topk)
    ends = [0, 8, 309, 311]  # each sees what is before it and itself
    assert given[3].tolist() == [0, 1, 2, 3] and given[4].tolist() == ends
    assert given[5].tolist() == [8, 301, 2] and given[7:10] == (3, 32, 8)
    assert packed == [{"batch_size": 3, "query_width": 1, "max_kv_len": 301}]


def test_without_the_flag_it_would_ask_the_device() -> None:
    wrapper = capture(1)
    assert not isinstance(wrapper.begin_forward, partial)
    with pytest.raises(NotImplementedError, match="meta tensor"):
        plan(wrapper, 1)
    assert not envs.SGLANG_OPT_FLASHINFER_VERIFY_HOST_PLAN.get()


def test_the_mask_of_one_token_lets_everything_be_seen() -> None:
    ends = torch.tensor([0, 8, 309, 311], dtype=torch.int32)
    sizes = (ends.diff() + 7) // 8
    starts = torch.zeros(4, dtype=torch.int32)
    starts[1:] = sizes.cumsum(0)
    packed = torch.zeros(int(starts[-1]), dtype=torch.uint8)
    mask = torch.ones(sum(LENGTHS) + 3, dtype=torch.bool)
    pack_verify_mask.pack_verify_mask_into(
        mask, ends, starts, packed, batch_size=3, query_width=1, max_kv_len=301
    )
    bits = [(int(byte) >> bit) & 1 for byte in packed for bit in range(8)]
    for start, length in zip(starts.tolist(), ends.diff().tolist(), strict=False):
        padded = -(-length // 8) * 8
        assert bits[8 * start : 8 * start + padded] == [1] * length + [0] * (padded - length)
