"""How many tokens SGLang gives the KV cache, by its own arithmetic. Pure.

Of the memory that is free before the target is loaded, ``1 - fraction`` is to stay free;
what is free beyond that once both models are there goes to the cache.
Lines are those of SGLang 0.5.23.
"""

from __future__ import annotations

from chatapp.pairs.files.shapes import PlannedPair
from chatapp.units import GIB, MIB

# With FlashInfer; any larger page would cost a tree of topk > 1 whole pages a branch.
PAGE_TOKENS = 1
# torch rounds large allocations up to this (c10/cuda/CUDACachingAllocator.h, kRoundLarge).
BLOCK_BYTES = 2 * MIB


def cell_bytes(pair: PlannedPair, dtype: str) -> int:
    """What SGLang reckons a token costs: it takes the draft's layers to be as large as the
    target's (model_executor/pool_configurator.py:264, :493)."""
    target = pair.target.kv_bytes_per_token(dtype)
    return target + int(target * pair.draft.layers / pair.target.layers)


def cache_tokens(before: int, free: int, fraction: float, cell: int) -> int:
    """Tokens of the cache: ``before`` bytes were free before loading, ``free`` are when
    both models are there (mem_cache/kv_cache_configurator.py:3007, :3034, :3059;
    model_executor/pool_configurator.py:637). 0 where SGLang would refuse to start."""
    rest = free / GIB - before / GIB * (1 - fraction)
    tokens = int(rest * GIB) // cell if rest > 0 else 0
    return tokens // PAGE_TOKENS * PAGE_TOKENS


def pool_bytes(tokens: int, layers: int, bytes_per_token: int) -> int:
    """The tensors of a cache: keys and values of each layer, with a page that nobody gets
    (mem_cache/memory_pool.py:2184)."""
    if not (tokens and layers):
        return 0
    each = (tokens + PAGE_TOKENS) * bytes_per_token // (2 * layers)
    return 2 * layers * block(each)


def block(size: int) -> int:
    """``size`` as torch takes it from the card."""
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
