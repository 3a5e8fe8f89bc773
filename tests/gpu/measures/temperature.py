"""Sampling at a person's temperature: on and off must draw from one distribution.

The test and its statistic are those of the CPU suite (``tests/engine/distribution.py``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from tokenizers import Tokenizer

from chatapp.domain import Pair
from chatapp.engine.process.local_engine import LocalEngine
from tests.engine.distribution import sample, two_sample_p
from tests.engine.raw import Job, Raw
from tests.gpu.row import Row

SETTINGS = {"temperature": 0.7, "top_k": 40, "top_p": 0.97}
OTHER = SETTINGS | {"temperature": 1.0}
LEAST_P = 0.001
# In a conversation the pocket pair is sure of itself at such a temperature; a text that
# merely begins like this may go on in many ways.
BEGINNING = "今天"
SEED = {"sampling_seed": 7, "max_new_tokens": 32, "ignore_eos": True}


async def temperature(engine: LocalEngine, pair: Pair, samples: int) -> AsyncGenerator[Row]:
    ids = beginning(pair)
    with Raw(engine) as raw:
        draw = partial(_draw, raw, ids, samples)
        off = await draw(SETTINGS, False, 1_000_000)
        on = await draw(SETTINGS, True, 2_000_000)
        how = f"{samples} replies each, {len(on | off)} different beginnings"
        yield Row("temperature 0.7, on against off", f"{_told(two_sample_p(on, off))}, {how}")
        found = _told(two_sample_p(await draw(OTHER, True, 3_000_000), off))
        yield Row("on at temperature 1.0 against off at 0.7, which it must tell apart", found)
        for row in await asyncio.to_thread(_seeds, raw, ids):
            yield row


def beginning(pair: Pair) -> list[int]:
    tokenizer = Tokenizer.from_file(str(pair.target / "tokenizer.json"))
    return list(tokenizer.encode(BEGINNING, add_special_tokens=False).ids)


async def _draw(
    raw: Raw, ids: list[int], samples: int, settings: dict[str, Any], on: bool, seed: int
) -> Counter:
    return await asyncio.to_thread(sample, raw, ids, on, seed, samples, settings)


def _told(p: float) -> str:
    return f"{'one distribution' if p > LEAST_P else 'two distributions'} (p = {p:.2g})"


def _seeds(raw: Raw, ids: list[int]) -> list[Row]:
    on, again, off = (
        raw.answer(Job(ids, SETTINGS | SEED, speculation))["output_ids"]
        for speculation in (True, True, False)
    )
    return [
        Row("the same seed twice, on", "one text" if on == again else "two texts"),
        Row("the same seed, on and off", "one text" if on == off else "two texts"),
    ]
