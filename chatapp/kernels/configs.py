"""The pair of an engine's command, made small: the same kernels, little memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chatapp.kernels.cache import models

VOCABULARY = 2048
DRAFT_VOCABULARY = 1024
CONTEXT = 2048
# Kernels depend on the size of a head and of a row, not on how many layers there are; a
# draft reads the target after its second, its middle and its last layer but two.
_LEAST_LAYERS = 8
_SMALL = (
    *("--load-format", "dummy", "--speculative-draft-load-format", "dummy"),
    *("--skip-tokenizer-init", "--context-length", str(CONTEXT)),
    *("--max-total-tokens", str(2 * CONTEXT), "--chunked-prefill-size", "64"),
    *("--cuda-graph-max-bs-decode", "2", "--cuda-graph-bs-decode", "1", "2"),
)


def small_command(command: Sequence[str], folder: Path) -> list[str]:
    """The arguments of ``command`` for a pair of the same shape below ``folder``. What
    stands last counts for SGLang."""
    small = {flag: _shrink(model, folder / flag[2:]) for flag, model in models(command).items()}
    arguments = command[next(at for at, word in enumerate(command) if word.startswith("--")) :]
    return [*arguments, *(word for flag, at in small.items() for word in (flag, str(at))), *_SMALL]


def _shrink(model: Path, folder: Path) -> Path:
    config: dict[str, Any] = json.loads((model / "config.json").read_text("utf-8"))
    config["vocab_size"] = VOCABULARY
    if "draft_vocab_size" in config:
        config["draft_vocab_size"] = min(DRAFT_VOCABULARY, VOCABULARY)
    config["num_hidden_layers"] = min(config.get("num_hidden_layers", 1), _LEAST_LAYERS)
    config.pop("layer_types", None)
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        config.pop(name, None)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder
