"""Which kernels an engine wants on a card that is not here, and that they compile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp import locations
from chatapp.domain import Pair, Tree
from chatapp.engine.command import engine_command, engine_environment
from chatapp.engine.planning.presets import preset
from chatapp.kernels import cache
from chatapp.launch import cuda_home
from chatapp.pairs.files.folders import ModelFolders
from chatapp.pairs.files.unfilled import write_configurations
from chatapp.pairs.planned import planned_pair
from tests.compilers import compiles

ATTENTION = (
    "flashinfer batch_prefill_with_kv_cache_dtype_q_f16_dtype_kv_f16_dtype_o_f16_dtype_idx_i32_"
    "head_dim_qk_128_head_dim_vo_128_posenc_0_use_swa_False_use_logits_cap_False_f16qk_False_"
    "kv_stride_equal"
)
# Attention, masks, a cached prefix (cascade) and sampling; norms, positions, the KV cache,
# the activation; the tree and the sampling of it.
PUBLISHED = {
    ATTENTION,
    "flashinfer cascade",
    "flashinfer quantization",
    "flashinfer sampling",
    "sglang activation_fp16_t_false",
    "sglang fused_rope_true_128_false_fp16_t_fp16_t",
    "sglang kvcache_2048_2048_128_false",
    "sglang qknorm_128_false_fp16_t_true",
    "sglang speculative_sampling_4_True",
    "sglang speculative_tree",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("published")
    return write_configurations(folder / "pair", planned_pair("published", ModelFolders(folder)))


@pytest.mark.parametrize(
    ("name", "tree", "more"),
    [
        ("published", Tree(5, 4, 16), set()),
        ("fast", Tree(3, 1, 4), {"sglang per_token_quant_fp8_precise_math_fp16_t"}),
    ],
)
def test_an_engine_of_this_version_wants_these_kernels(
    published: Pair, name: str, tree: Tree, more: set[str], tmp_path: Path
) -> None:
    """A version or a flag that wants another module fails here before it surprises a card;
    what is built is what the rehearsal finds, so it is built from then on."""
    arguments = tuple(preset(name).arguments(0.7))
    command = engine_command(replace(published, tree=tree, arguments=arguments), "cuda", 1, "")
    said = _rehearse(tmp_path, "8.9", "--only", "--", *command)
    assert set(json.loads(said)["modules"]) == PUBLISHED | more


@compiles
def test_a_module_compiles_for_a_card_that_is_not_here(tmp_path: Path) -> None:
    _rehearse(tmp_path, "--probe")
    (kernel,) = cache.kernels(tmp_path)
    assert (kernel.by, kernel.arch) == ("sglang", "8.9") and "probe" in kernel.name
    (library,) = tmp_path.rglob("*.so")
    assert b"sm_89" in library.read_bytes()


def _rehearse(folder: Path, *words: str) -> str:
    """On the pinned wheels alone, whatever toolkit stands on this machine."""
    cuda_home.lay(locations.venv())
    base = os.environ | {"CUDA_HOME": "/nowhere", "PYTHONPATH": str(locations.project())}
    environment = engine_environment("cuda", base) | cache.environment(folder)
    command = [sys.executable, "-m", "tests.rehearsal", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
