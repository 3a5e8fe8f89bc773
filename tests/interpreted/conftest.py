"""Inside a process of SGLang's, without an engine: Triton's kernels run interpreted, on a CPU.

Triton decides when it is imported, so these tests have a process of their own:
``tests/engine/test_interpreted.py`` starts it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

ENVIRONMENT = {"TRITON_INTERPRET": "1", "SGLANG_USE_CPU_ENGINE": "1", "TORCHDYNAMO_DISABLE": "1"}

assert os.environ.get("TRITON_INTERPRET") == "1" or "triton" not in sys.modules
os.environ.update(ENVIRONMENT)

from chatapp.application.chosen_pair import find_pair  # noqa: E402
from chatapp.domain import Tree  # noqa: E402
from chatapp.engine.command import engine_command  # noqa: E402
from chatapp.settings import Settings  # noqa: E402

CONTEXT = 512
TREES = ["5/4/16", "7/1/8"]


def pytest_configure(config: pytest.Config) -> None:
    """What SGLang warns of in its own process, without a card, is none of our failures."""
    config.addinivalue_line("filterwarnings", "default")


@pytest.fixture(params=TREES)
def tree(request: pytest.FixtureRequest, publish: Callable[[Tree], None]) -> Tree:
    made = Tree.parse(request.param)
    publish(made)
    return made


@pytest.fixture
def publish() -> Callable[[Tree], None]:
    """Makes the configuration of an engine with this tree that of the process."""
    from sglang.srt.runtime_context import publish as publish_arguments
    from sglang.srt.server_args import prepare_server_args

    def make(tree: Tree) -> None:
        pair = replace(find_pair(Settings(pair="pocket")), tree=tree, context_length=CONTEXT)
        arguments = prepare_server_args(engine_command(pair, "cpu", 30000, "secret")[3:])
        arguments.resolve_once()
        publish_arguments(arguments, role="scheduler")

    return make


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """SGLang takes its kernels, as on CUDA, and not what stands in for them on a CPU."""
    from sglang.kernels.ops.kvcache import cache_move
    from sglang.kernels.ops.speculative import cache_locs, eagle
    from sglang.srt.mem_cache import allocation

    for module in (allocation, cache_locs, cache_move, eagle):
        monkeypatch.setattr(module, "_is_cpu", False)
    monkeypatch.setattr(cache_locs, "_is_cuda", True)
