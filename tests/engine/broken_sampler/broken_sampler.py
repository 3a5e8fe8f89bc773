"""An SGLang plug-in that breaks our sampler on purpose: at the nodes of a tree it
ignores the temperature. A test of the distribution has to find that."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from chatapp.sglang_plugin import sampling


def activate() -> None:
    right = sampling.draw_tree

    def wrong(logits, info, positions, n):
        fields = ("top_ks", "top_ps", "min_ps", "sampling_seed")
        cold = SimpleNamespace(
            temperatures=torch.ones_like(info.temperatures),
            **{name: getattr(info, name) for name in fields},
        )
        return right(logits, cold, positions, n)

    sampling.draw_tree = wrong
