"""How long sequences are, known on the host: without speculation each step adds one token.

Under the overlapping schedule SGLang fetches the lengths of a speculating batch from the
device at every step, for which the host waits until the step before has run. A batch whose
requests all have speculation off need not wait.
"""

from __future__ import annotations

from typing import Any

import torch

from chatapp.sglang_plugin.switch import requests_off


def remember_prefilled(batch: Any) -> None:
    """Before ``eagle_prepare_for_decode``: at a request's first decode no decode is in
    flight, so what the scheduler has committed is all."""
    for request in batch.reqs or ():
        if request.decode_batch_idx == 0:
            request.eaglechat_prefilled = request.kv.kv_committed_len


def known_lengths(batch: Any) -> list[int] | None:
    """The lengths before this step, in tokens; None unless all requests have speculation off.
    None as well when the scheduler has committed anything but that, or that less the step in
    flight: then somebody else has added tokens."""
    off = requests_off(batch)
    if not off or not all(off):
        return None
    lengths = []
    for request in batch.reqs:
        length = getattr(request, "eaglechat_prefilled", 0) + request.decode_batch_idx - 1
        if length - request.kv.kv_committed_len not in (0, 1):
            return None
        lengths.append(length)
    return lengths


def resolve(original: Any, self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Around ``FutureMap.resolve_seq_lens_cpu``."""
    relayed = getattr(batch.spec_info, "future_indices", None) is not None
    lengths = known_lengths(batch) if relayed and self.needs_cpu_seq_lens else None
    if lengths is None:
        return original(self, batch, *args, **kwargs)
    self.needs_cpu_seq_lens = False  # then it gathers them on the device alone
    try:
        original(self, batch, *args, **kwargs)
    finally:
        self.needs_cpu_seq_lens = True
    batch.seq_lens_cpu = torch.tensor(lengths, dtype=torch.int64)
    batch.seq_lens_sum = sum(lengths)
