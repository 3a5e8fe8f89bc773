"""What SGLang's own code makes of a plan's figures, without a card.

Run as a program this is the child that asks it; ``asked`` starts it. The configurator of
the KV cache and the attention backends are SGLang's; the model runner is no more than the
figures that they read from it, and FlashInfer's wrappers do nothing but count themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from chatapp.domain import Pair
from chatapp.engine.command import engine_command, engine_environment


def asked(pair: Pair, questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A question is either of the KV cache: ``before`` and ``free`` bytes and ``fraction``,
    answered in ``tokens``; or of FlashInfer: ``steps``, ``topk``, ``draft_tokens``, ``sizes``,
    answered in ``wrappers`` that stand, those of graphs and of the second state, and in
    ``graph_bytes`` and ``second_bytes`` of the tensors made for these two."""
    line = engine_command(pair, "cpu", 30000, "secret")[3:]
    limit = line.index("--max-total-tokens")
    answer = subprocess.run(
        [sys.executable, "-P", __file__],
        input=json.dumps({"line": line[:limit] + line[limit + 2 :], "questions": questions}),
        env=engine_environment("cpu"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    told: list[dict[str, Any]] = json.loads(answer.stdout.splitlines()[-1])
    return told


# --- the child ---------------------------------------------------------------------


def _child() -> None:
    from sglang.srt.runtime_context import SpawnRanks, get_parallel, publish
    from sglang.srt.server_args import prepare_server_args

    asked = json.load(sys.stdin)
    arguments = prepare_server_args(asked["line"])
    arguments.resolve_once()
    publish(arguments, role="scheduler", ranks=SpawnRanks(world_rank=0))
    with get_parallel().override(world_group=SimpleNamespace(cpu_group=None)):
        print(json.dumps([_answer(arguments, question) for question in asked["questions"]]))


def _answer(arguments: Any, question: Mapping[str, Any]) -> dict[str, Any]:
    answer = _kv_cache if "fraction" in question else _flashinfer
    return answer(arguments, question)


def _kv_cache(arguments: Any, question: Mapping[str, Any]) -> dict[str, Any]:
    import torch
    from sglang.srt.configs.model_config import ModelConfig
    from sglang.srt.mem_cache import kv_cache_configurator as module
    from sglang.srt.runtime_context import get_context
    from sglang.srt.speculative.spec_info import SpeculativeAlgorithm

    model = ModelConfig.from_server_args(arguments)
    layers = model.num_hidden_layers
    figures = {
        "device": "cuda",
        "gpu_id": 0,
        "attn_dp_size": 1,
        "pp_size": 1,
        "page_size": 1,
        "server_args": arguments,
        "model_config": model,
        "mambaish_config": None,
        "is_hybrid_swa": False,
        "use_mla_backend": False,
        "is_draft_worker": False,
        "post_capture_kv_active": False,
        "kv_cache_dtype": torch.float16,
        "kv_cache_dtype_str": "auto",
        "layer_info": SimpleNamespace(num_effective_layers=layers, start_layer=0, end_layer=layers),
        "spec_algorithm": SpeculativeAlgorithm.from_string("EAGLE3"),
        "spec_aux_config": SimpleNamespace(eagle_draft_num_layers=1, draft_kv_num_layers=1),
    }
    configurator = object.__new__(module.KVCacheConfigurator)
    for name, value in figures.items():
        setattr(configurator, name, value)
    module.get_available_gpu_memory = lambda *_, **__: question["free"] / (1 << 30)
    get_context().override("a plan", mem_fraction_static=question["fraction"])
    found = configurator._resolve_memory_pool_config(question["before"] / (1 << 30))
    return {"tokens": found.max_total_num_tokens}


def _flashinfer(arguments: Any, question: Mapping[str, Any]) -> dict[str, Any]:
    """As the worker does: its backends and their graphs, and for the second state the same,
    but no graphs for extending."""
    from sglang.srt.layers.attention import flashinfer_backend as module
    from sglang.srt.speculative.draft_utils import DraftBackendFactory

    vars(module).update(_counting_wrappers(made := Counter()))
    FlashInferAttnBackend = module.FlashInferAttnBackend
    with _on_meta() as tensors:
        runner = _runner(arguments, max(question["sizes"]))
        steps, topk, drafted = question["steps"], question["topk"], question["draft_tokens"]
        factory = DraftBackendFactory(runner, topk, steps)
        target, _own = FlashInferAttnBackend(runner), FlashInferAttnBackend(runner)
        draft, extend = factory.create_decode_backend(), factory.create_draft_extend_backend()
        told = {"wrappers": made.total()}

        before = tensors.total()
        _capture(target, "TARGET_VERIFY", question["sizes"], drafted)
        _capture(extend, "DRAFT_EXTEND_V2", question["sizes"], drafted)
        draft.init_cuda_graph_state(max(question["sizes"]), max(question["sizes"]) * topk)
        for each in draft.attn_backends:
            _prepare(each, "DECODE", question["sizes"], topk)
        told |= {"graph_wrappers": made.total() - told["wrappers"]}
        told |= {"graph_bytes": tensors.total() - before}

        before, counted = tensors.total(), made.total()
        second = DraftBackendFactory(runner, topk, 0)
        assert second.create_decode_backend() is None
        off = FlashInferAttnBackend(runner, init_new_workspace=True)
        _capture(off, "TARGET_VERIFY", question["sizes"], 1)
        second.create_draft_extend_backend()  # the switch has no graphs captured for it
        told |= {"second_wrappers": made.total() - counted}
        told |= {"second_bytes": tensors.total() - before}
    return told


def _capture(backend: Any, mode: str, sizes: Sequence[int], tokens: int) -> None:
    backend.init_cuda_graph_state(max(sizes), max(sizes) * tokens)
    _prepare(backend, mode, sizes, tokens)


def _prepare(backend: Any, mode: str, sizes: Sequence[int], tokens: int) -> None:
    from sglang.srt.model_executor.forward_batch_info import ForwardMode

    for size in sizes:
        masked = SimpleNamespace(custom_mask=object())
        backend._prepare_cuda_graph_metadata(size, size * tokens, ForwardMode[mode], masked)


def _runner(arguments: Any, requests: int) -> Any:
    """A model runner of which there is nothing but what a backend asks for."""
    import torch
    from sglang.srt.configs.model_config import ModelConfig

    runner = MagicMock()
    runner.server_args, runner.device, runner.dtype = arguments, "meta", torch.float16
    runner.model_config = ModelConfig.from_server_args(arguments)
    runner.kv_cache_dtype, runner.page_size = torch.float16, 1
    runner.use_mla_backend, runner.sliding_window_size = False, None
    runner.draft_attention_backend = "flashinfer"
    runner.req_to_token_pool.size = requests
    return runner


def _counting_wrappers(made: Counter[str]) -> dict[str, type]:
    """In place of FlashInfer's, which is not here: they only count how many there are."""

    def wrapper(name: str) -> type:
        return type(name, (), {"__init__": lambda self, *_, **__: made.update([name])})

    kinds = ("BatchDecodeWithPaged", "BatchPrefillWithPaged", "BatchPrefillWithRagged")
    return {f"{kind}KVCacheWrapper": wrapper(kind) for kind in kinds}


@contextmanager
def _on_meta() -> Iterator[Counter[str]]:
    """Tensors for the card are made without memory, and their bytes counted."""
    import torch

    taken: Counter[str] = Counter()
    makers = {name: getattr(torch, name) for name in ("zeros", "ones", "empty")}

    def counted(name: str) -> Any:
        def make(*args: Any, **kwargs: Any) -> Any:
            if kwargs.get("device") in ("cuda", "meta"):
                made = makers[name](*args, **{**kwargs, "device": "meta"})
                taken[name] += made.numel() * made.element_size()
                return made
            return makers[name](*args, **kwargs)

        return make

    for name in makers:
        setattr(torch, name, counted(name))
    try:
        yield taken
    finally:
        for name, maker in makers.items():
            setattr(torch, name, maker)


if __name__ == "__main__":
    _child()
