"""Sampling with speculation on a CPU, lossless in distribution, and seeds.

SGLang verifies greedily on a CPU whatever the temperature is. Here the target's
token is *sampled* after every node of the draft tree, from the distribution that
temperature, top-k, top-p and min-p leave, and the tree is walked along those tokens.
A token is then drawn from the target's own distribution given what stands before
it, whether or not a draft had guessed it, so the text is distributed as without a
draft (the same argument as for sampling one token at a time; a draft only decides
how many of the draws are used).

The noise is Gumbel's, from a hash of seed, position and vocabulary rank: a seeded
request gives the same text with speculation on and off. A request without a seed
gets a random one.
"""

from __future__ import annotations

import secrets
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

MASK32 = 0xFFFFFFFF


def _scramble(h: Tensor) -> Tensor:
    """The finaliser of MurmurHash3 (32 bits), on int64 that hold unsigned 32 bits."""
    h = h ^ (h >> 16)
    h = (h * 0x85EBCA6B) & MASK32
    h = h ^ (h >> 13)
    h = (h * 0xC2B2AE35) & MASK32
    return h ^ (h >> 16)


def hash32(seed: Tensor, positions: Tensor, columns: Tensor) -> Tensor:
    """Unsigned 32-bit hashes [n, m] (as int64) of ``seed`` [n], ``positions`` [n] and
    ``columns`` [m]; stands in for a kernel that the CPU build lacks."""
    seed = seed.to(torch.int64)
    rows = _scramble((seed & MASK32) ^ 0x9E3779B9)
    rows = _scramble(rows ^ ((seed >> 32) & MASK32))
    rows = _scramble(rows ^ (positions.to(torch.int64) & MASK32))
    return _scramble(rows[:, None] ^ _scramble(columns.to(torch.int64) + 1)[None, :])


def gumbel(seed: Tensor, positions: Tensor, width: int) -> Tensor:
    """Standard Gumbel noise [n, width], float64, a function of seed and position."""
    hashed = hash32(seed, positions, torch.arange(width))
    uniform = (hashed.to(torch.float64) + 0.5) / 2**32  # never 0, never 1
    return -torch.log(-torch.log(uniform))


def draw(
    probs: Tensor,
    top_ks: Tensor,
    top_ps: Tensor,
    min_ps: Tensor,
    seeds: Tensor,
    positions: Tensor,
) -> Tensor:
    """One token for each row of ``probs`` [n, vocabulary], as ids [n] (int64).

    Filters as SGLang's own sampler does: the ``top_k`` most likely, of these the
    smallest head that reaches ``top_p``, of these what is at least ``min_p`` times the
    most likely. ``positions`` [n] are those of the tokens the rows follow.
    """
    kept, order = probs.sort(dim=-1, descending=True)
    before = kept.cumsum(-1) - kept
    rank = torch.arange(kept.shape[-1])
    drop = (rank >= top_ks[:, None]) | (before > top_ps[:, None])
    drop |= kept < kept[:, :1] * min_ps[:, None]
    scores = kept.to(torch.float64).log() + gumbel(seeds, positions, kept.shape[-1])
    best = scores.masked_fill_(drop, float("-inf")).argmax(-1, keepdim=True)
    return order.gather(-1, best).view(-1)


def draw_tree(logits: Tensor, info: Any, positions: Tensor, n: int) -> Tensor:
    """The target's token after every node of every request's tree, as ids [bs, n].

    ``logits`` [bs * n, vocabulary], ``positions`` [bs * n], ``info`` the batch's
    ``SamplingBatchInfo``. Greedy requests have ``top_k`` 1 there.
    """

    def spread(values: Tensor) -> Tensor:
        return values.reshape(-1).repeat_interleave(n)

    probs = torch.softmax(logits.float() / spread(info.temperatures)[:, None], dim=-1)
    tokens = draw(
        probs,
        spread(info.top_ks),
        spread(info.top_ps),
        spread(info.min_ps),
        spread(info.sampling_seed),
        positions,
    )
    return tokens.view(-1, n)


# --- hooks -------------------------------------------------------------------------

_verifying: ContextVar[tuple[Any, Any, Any] | None] = ContextVar("verifying", default=None)


def remember_batch(
    original: Any, verify_input: Any, batch: Any, logits_output: Any, *args: Any, **kwargs: Any
) -> Any:
    """Around ``eagle_sample``: lets the tree walk below see logits and settings."""
    token = _verifying.set((verify_input, batch.sampling_info, logits_output))
    try:
        return original(verify_input, batch, logits_output, *args, **kwargs)
    finally:
        _verifying.reset(token)


def walk_sampled(original: Any, *args: Any, **kwargs: Any) -> Any:
    """Around ``verify_tree_greedy_func``: sampled tokens in place of the argmax.

    By then ``eagle_sample`` has applied penalties, bias and grammar to the logits.
    """
    verifying = _verifying.get()
    if verifying is not None:
        verify_input, info, logits_output = verifying
        if not info.is_all_greedy:
            kwargs["target_predict"] = draw_tree(
                logits_output.next_token_logits,
                info,
                verify_input.positions,
                verify_input.draft_token_num,
            )
    return original(*args, **kwargs)


def seed_of(request: Any) -> int:
    """The request's seed; one is drawn and kept for a request that has none."""
    params = request.sampling_params
    if params.sampling_seed is None:
        params.sampling_seed = secrets.randbits(62)
    seed: int = params.sampling_seed
    return seed


def seed_batch(info: Any, cls: type, batch: Any, *args: Any, **kwargs: Any) -> Any:
    """After ``SamplingBatchInfo.from_schedule_batch``: every request has a seed."""
    info.sampling_seed = torch.tensor([seed_of(r) for r in batch.reqs], dtype=torch.int64)
    return info


def draw_seeded(
    original: Any,
    self: Any,
    probs: Any,
    sampling_info: Any,
    positions: Any,
    simple_sampling_case: Any,
) -> Any:
    """Around ``Sampler._sample_from_probs``: the same draw as in the tree."""
    if sampling_info.sampling_seed is None or sampling_info.sampling_mask_batch_indices is not None:
        return original(self, probs, sampling_info, positions, simple_sampling_case)
    tokens = draw(
        probs,
        sampling_info.top_ks,
        sampling_info.top_ps,
        sampling_info.min_ps,
        sampling_info.sampling_seed,
        positions,
    )
    return tokens.to(torch.int32), None
