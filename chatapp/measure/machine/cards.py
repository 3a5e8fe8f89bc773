"""Which of this machine's cards the engine takes.

CUDA shows a process the cards that ``CUDA_VISIBLE_DEVICES`` names, and SGLang takes the
first of them, or the one that ``--base-gpu-id`` counts to. Cards are numbered in the order
of the PCI bus, as NVML and ``nvidia-smi`` number them: the engine is told so.
"""

from __future__ import annotations

import os
from argparse import ArgumentError, ArgumentParser
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

from chatapp.domain import Card, GpuSample
from chatapp.measure.machine.gpus import Gpus

VISIBLE = "CUDA_VISIBLE_DEVICES"


def engine_card(
    arguments: Sequence[str] = (), gpus: Gpus | None = None, pids: Collection[int] = ()
) -> Card | None:
    """The engine's card as the memory plan wants to know it; None where it does not answer.
    ``arguments`` are those that the person hands to SGLang; what ``pids`` hold is the
    engine's own."""
    gpus = gpus or Gpus()
    gpu = engine_gpu(gpus.sample(pids)[0], arguments)
    if gpu is None:
        return None
    others = max(0, gpu.used_bytes - (gpu.engine_bytes or 0))
    return Card(gpu.total_bytes, others, gpus.capability(gpu.index), gpu.reserved_bytes)


def engine_gpu(
    gpus: Sequence[GpuSample],
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> GpuSample | None:
    """Of the cards that answer, the one that the engine takes; None when it is none of
    them."""
    place, visible = _base_gpu_id(arguments), environment.get(VISIBLE)
    if visible is None:
        return next((gpu for gpu in gpus if gpu.index == place), None)
    # CUDA stops reading at the first word that names no card, such as -1.
    words = list(takewhile(_names_a_card, map(str.strip, visible.split(","))))
    found = [gpu for gpu in gpus if place < len(words) and _is(gpu, words[place])]
    return found[0] if len(found) == 1 else None


def _names_a_card(word: str) -> bool:
    return word.isdecimal() or word.upper().startswith("GPU-")


def _is(gpu: GpuSample, word: str) -> bool:
    """By its index, or by the beginning of its UUID."""
    if word.isdecimal():
        return gpu.index == int(word)
    return gpu.uuid.lower().startswith(word.lower())


def _base_gpu_id(arguments: Sequence[str]) -> int:
    """As the engine reads it; what is no number is for the engine to refuse."""
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--base-gpu-id", type=int, default=0)
    try:
        return int(parser.parse_known_args(arguments)[0].base_gpu_id)
    except ArgumentError:
        return 0
