"""One engine after the other on the GPU, and the same prompts through each."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.domain import Figures, Pair, Role, Sampling
from chatapp.engine.process import Engine
from chatapp.engine.prompt import ChatPrompt
from chatapp.measure.figures import ReplyMeter
from chatapp.pairs.catalogue import KnownPair

READY_WITHIN_S = 1200
SIMULATED = "SGLANG_SIMULATE_ACC_LEN"


@dataclass(frozen=True, slots=True)
class Answer:
    token_ids: tuple[int, ...]
    figures: Figures


@dataclass(frozen=True, slots=True)
class Lane:
    """Engines for ``pair`` on ``device``, their logs in ``folder``."""

    pair: Pair
    device: str
    folder: Path
    extra: tuple[str, ...] = ()

    @asynccontextmanager
    async def engine(self, speculation: bool) -> AsyncIterator[Engine]:
        name = "switchable" if speculation else "plain"
        log = self.folder / f"{self.pair.name}-{name}.log"
        engine = Engine(self.pair, self.device, log, self.extra, speculation=speculation)
        try:
            await engine.start()
            await engine.ready(READY_WITHIN_S)
            yield engine
        finally:
            await engine.stop()

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        prompt = ChatPrompt(self.pair.target, self.pair.context_length)
        return [prompt.encode([(Role.USER, text)]) for text in texts]


async def ask(
    engine: Engine, ids: Sequence[Sequence[int]], tokens: int, on: bool, parallel: int = 1
) -> list[Answer]:
    """Greedy answers in the order of ``ids``, ``parallel`` of them at a time."""
    turn = asyncio.Semaphore(parallel)

    async def one(prompt: Sequence[int]) -> Answer:
        async with turn:
            meter, last = ReplyMeter(on), ()
            async for chunk in engine.client.stream(prompt, Sampling(max_tokens=tokens), on):
                meter.add(chunk)
                last = chunk.token_ids
            figures = meter.figures()
            assert figures is not None
            return Answer(last, figures)

    return list(await asyncio.gather(*(one(prompt) for prompt in ids)))


@contextmanager
def simulated_acceptance(length: float) -> Iterator[None]:
    """SGLang's own variable: so many tokens are accepted whatever the draft says."""
    before = os.environ.get(SIMULATED)
    os.environ[SIMULATED] = str(length)
    try:
        yield
    finally:
        if before is None:
            del os.environ[SIMULATED]
        else:
            os.environ[SIMULATED] = before


def random_pair(known: KnownPair, tokenizer: Path, folder: Path, scale: int = 1) -> Pair:
    """A pair with the shapes of ``known`` and no weights: SGLang fills in random ones when
    it is told ``--load-format dummy``. ``scale`` makes it smaller, for a rehearsal."""
    target, draft = folder / "target", folder / "draft"
    for place in (target, draft):
        place.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, target / name)
    (target / "config.json").write_text(json.dumps(_target(known, scale)))
    (draft / "config.json").write_text(json.dumps(_draft(known, scale)))
    name = f"random-{known.name}"
    return Pair(name, target, draft, known.tree, known.dtype, min(4096, known.context_length))


DUMMY = ("--load-format", "dummy", "--speculative-draft-load-format", "dummy")


def _target(known: KnownPair, scale: int) -> dict[str, Any]:
    shape = known.target_shape
    return _shared(shape, scale) | {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "num_hidden_layers": max(8, shape.layers // scale),
        "max_position_embeddings": shape.context,
        "tie_word_embeddings": shape.tied,
        "rope_theta": 5_000_000,
    }


def _draft(known: KnownPair, scale: int) -> dict[str, Any]:
    shape = known.draft_shape
    return _shared(shape, scale) | {
        "architectures": ["LlamaForCausalLMEagle3"],
        "model_type": "llama",
        "num_hidden_layers": 1,
        "draft_vocab_size": shape.draft_vocabulary // scale,
        "max_position_embeddings": shape.context,
        "tie_word_embeddings": False,
        "rope_theta": 1_000_000,
    }


def _shared(shape: Any, scale: int) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary // scale,
        "hidden_size": shape.hidden // scale,
        "intermediate_size": shape.intermediate // scale,
        "num_attention_heads": max(2, shape.attention.heads // scale),
        "num_key_value_heads": max(1, shape.attention.kv_heads // scale),
        "head_dim": shape.attention.head_dim if scale == 1 else 16,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "attention_bias": False,
        "dtype": "float16",
    }
