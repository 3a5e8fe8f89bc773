"""NGRAM behind the switch: drafts are looked up in what was written before, no weights.

SGLang's ``NGRAMWorker`` verifies a window of ``n`` tokens at every step, however little
its table knew. On a CPU the window is narrowed to what was drafted, and to one token where
nobody drafts: so speculation *off* costs a step little more than without a drafter, and so
does a text in which nothing comes again. On CUDA, where graphs are captured for its whole
width, it stays as it is, and what it gains with speculation off is cut to one token
(``switch.accept_no_draft``), as it is for such a request in a mixed batch. There is no second
state and nothing cold: the table learns whatever is written, and the KV cache is the
target's alone.

The table is filled from replies only; here each prompt is entered as well, so that what
stands in the question can be drafted in the answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, arange

from chatapp.sglang_plugin.hook import Hook
from chatapp.sglang_plugin.switch import requests_off

WORKER = "sglang.srt.speculative.ngram_worker.NGRAMWorker"


def widest(drafts: np.ndarray) -> int:
    """The smallest window that holds every draft of ``drafts`` [requests, n], whose rows
    are the last token of the text, its drafts, and zeros."""
    drafted = np.flatnonzero(drafts[:, 1:].any(axis=0))
    return 1 if drafted.size == 0 else int(drafted[-1]) + 2


def narrow(info: Any, slots: Tensor, width: int) -> Tensor:
    """Makes ``info``, a verify input of ``n`` tokens a request whose mask is that of the
    trees alone, one of the first ``width``. Returns their ``slots`` [requests * n] too."""
    n = info.draft_token_num
    rows = info.draft_token.numel() // n

    def head(values: Tensor) -> Tensor:
        return values.view(rows, n)[:, :width].reshape(-1)

    def links(nodes: Tensor) -> Tensor:
        kept = nodes[:, :width].clone()
        return kept.masked_fill_(kept >= width, -1)

    info.draft_token, info.positions = head(info.draft_token), head(info.positions)
    info.custom_mask = info.custom_mask.view(rows, n, n)[:, :width, :width].reshape(-1)
    info.retrieve_index = arange(rows * width).view(rows, width)
    info.retrieve_next_token = links(info.retrieve_next_token)
    info.retrieve_next_sibling = links(info.retrieve_next_sibling)
    info.draft_token_num = info.num_tokens_per_req = info.num_tokens_for_logprob_per_req = width
    return head(slots)


def widen(values: Tensor, width: int, n: int) -> Tensor:
    """Flat rows of ``width`` as flat rows of ``n``, filled up with zeros."""
    rows = values.view(-1, width)
    wide = rows.new_zeros(rows.shape[0], n)
    wide[:, :width] = rows
    return wide.view(-1)


# --- hooks -------------------------------------------------------------------------


def look_up(original: Any, self: Any, batch: Any) -> Any:
    """Around ``NGRAMWorker._prepare_draft_tokens``: enters new prompts before, and takes
    from requests with speculation off what was found for them."""
    new = [r for r in batch.reqs if not getattr(r, "eaglechat_entered", False)]
    for request in new:
        request.eaglechat_entered = True
    if new:
        self.ngram_corpus.batch_put([list(r.origin_input_ids_unpadded) for r in new])
    drafts, mask = original(self, batch)
    off = requests_off(batch)
    drafts.reshape(len(off), -1)[off, 1:] = 0
    return drafts, mask


def narrow_window(result: Any, self: Any, batch: Any) -> Any:
    """After ``NGRAMWorker._prepare_for_speculative_decoding``."""
    if not batch.forward_mode.is_target_verify() or self.device != "cpu":
        return
    info, n = batch.spec_info, self.speculative_num_draft_tokens
    width = widest(info.draft_token.view(-1, n).numpy())
    if width == n:
        return
    batch.out_cache_loc = narrow(info, batch.out_cache_loc, width)
    batch.input_ids = info.draft_token
    self.draft_token_num = width
    if self.grammar_tree_host is not None:
        mask, drafts = self.grammar_tree_host
        mask = mask.reshape(-1, n, n)[:, :width, :width].reshape(-1)
        self.grammar_tree_host = mask, drafts.reshape(-1, n)[:, :width].reshape(-1)


def widen_result(original: Any, self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """Around ``NGRAMWorker.forward_batch_generation``: the scheduler's rows are of one
    width, whatever was verified."""
    n = self.speculative_num_draft_tokens
    try:
        result = original(self, batch, *args, **kwargs)
        width, following = self.draft_token_num, result.next_draft_input
    finally:
        self.draft_token_num = n
    if width < n:
        result.next_token_ids = widen(result.next_token_ids, width, n)
        following.accept_tokens = result.next_token_ids
        following.draft_token_num = following.num_tokens_per_req = n
        following.num_tokens_for_logprob_per_req = n
    return result


# --- on a CPU ----------------------------------------------------------------------


def use_our_table(original: Any) -> Any:
    """Around ``get_ngram_corpus_cls``, which compiles theirs."""
    from chatapp.sglang_plugin.ngram_table import NgramTable

    return NgramTable


HOOKS = (
    Hook(f"{WORKER}._prepare_draft_tokens", "around", look_up, ("self", "batch")),
    Hook(
        f"{WORKER}._prepare_for_speculative_decoding",
        "after",
        narrow_window,
        ("self", "batch"),
    ),
    Hook(f"{WORKER}.forward_batch_generation", "around", widen_result, ("self", "batch")),
)

CPU_HOOKS = (
    Hook(
        "sglang.kernels.ops.speculative.ngram_corpus.get_ngram_corpus_cls",
        "around",
        use_our_table,
    ),
)
