"""What SGLang's own argument code makes of an engine's command on a card that is not here.

Run as a program this is the child that resolves; ``resolved`` starts it. The card is
pretended to torch and ``nvidia-smi``, which SGLang asks; all that follows is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chatapp.domain import Card, Pair
from chatapp.engine.command import engine_command, engine_environment

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class PretendedCard:
    """A card as ``nvidia-smi`` tells of it."""

    name: str
    capability: tuple[int, int]
    mib: int

    def as_planned(self) -> Card:
        return Card(self.mib * MIB, capability=self.capability)


CARDS = (
    PretendedCard("RTX 3090", (8, 6), 24576),
    PretendedCard("RTX 4090", (8, 9), 24564),
    PretendedCard("RTX 4080", (8, 9), 16376),
    PretendedCard("RTX 5090", (12, 0), 32607),
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the engine would run with; ``*_graphs`` are the sizes that are captured, of
    requests for a step and of tokens for a prefill; empty: none are. ``all`` has every
    argument under SGLang's own name."""

    attention_backend: str
    draft_attention_backend: str | None
    sampling_backend: str
    page_size: int
    decode_graphs: tuple[int, ...]
    decode_graph_max: int
    prefill_graphs: tuple[int, ...]
    chunked_prefill: int
    mem_fraction_static: float
    max_running: int
    context_length: int
    overlap: bool
    all: Mapping[str, Any]

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Resolved:
        graphs = said["cuda_graph_config"]
        return cls(
            attention_backend=said["attention_backend"],
            draft_attention_backend=said["speculative_draft_attention_backend"],
            sampling_backend=said["sampling_backend"],
            page_size=said["page_size"],
            decode_graphs=_sizes(graphs["decode"]),
            decode_graph_max=graphs["decode"]["max_bs"],
            prefill_graphs=_sizes(graphs["prefill"]),
            chunked_prefill=said["chunked_prefill_size"],
            mem_fraction_static=said["mem_fraction_static"],
            max_running=said["max_running_requests"],
            context_length=said["context_length"],
            overlap=not said["disable_overlap_schedule"],
            all=said,
        )


def resolved(
    cases: Sequence[tuple[PretendedCard, Pair, bool]], timeout: float = 300
) -> list[Resolved]:
    """Of each card, pair (as :func:`write_configurations` made it and a plan set it up) and
    speculation: how SGLang resolves the command that we would start."""
    asked = [
        {
            "card": asdict(card),
            "line": engine_command(pair, "cuda", 30000, "secret", speculation=speculation)[3:],
        }
        for card, pair, speculation in cases
    ]
    answer = subprocess.run(
        [sys.executable, "-P", __file__],
        input=json.dumps(asked),
        env=engine_environment("cuda"),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    return [Resolved.of(said) for said in json.loads(answer.stdout.splitlines()[-1])]


def _sizes(phase: Mapping[str, Any]) -> tuple[int, ...]:
    return () if phase["backend"] == "disabled" else tuple(phase["bs"])


# --- the child ---------------------------------------------------------------------


def _resolve(line: list[str]) -> dict[str, Any]:
    from sglang.srt.server_args import prepare_server_args

    arguments = prepare_server_args(line)
    arguments.resolve_once()
    return arguments.resolved_dict()


def _pretend(card: Mapping[str, Any]) -> None:
    import torch
    from sglang.srt.runtime_context import override_platform
    from sglang.srt.utils import common

    major, minor = card["capability"]
    torch.version.cuda = "13.0"
    torch.cuda.is_available = lambda: True
    torch.cuda.get_device_capability = lambda *_: (major, minor)
    common._get_device_sm_via_nvml = lambda: 10 * major + minor
    common.get_nvgpu_memory_capacity = lambda: float(card["mib"])
    for probe in vars(common).values():
        if hasattr(probe, "cache_clear"):
            probe.cache_clear()
    override_platform(has_flashinfer=True).install()  # it is in the set for such a card


def _child() -> None:
    asked = json.load(sys.stdin)
    # Once without a card: whatever is imported on the way is imported as on a CPU, where
    # the kernels of the CUDA set are not there.
    _resolve(asked[0]["line"])
    told = []
    for case in asked:
        _pretend(case["card"])
        told.append(_resolve(case["line"]))
    print(json.dumps(told, default=str))


if __name__ == "__main__":
    _child()
