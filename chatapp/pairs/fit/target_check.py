"""Looks whether a target's folder holds a whole model that the engine can run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chatapp.errors import PairError
from chatapp.pairs.files.configuration import read
from chatapp.pairs.files.weights import Tensor
from chatapp.pairs.fit.finding import Finding, problem

_EMBEDDING = "model.embed_tokens.weight"
_FLOATS = ("F32", "F16", "BF16")


def target_files(folder: Path) -> Iterator[Finding]:
    """What is not weights: tokenizer and chat template."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            yield problem("pair_file_missing", path=folder / name)
            return
    if (folder / "chat_template.jinja").is_file():
        return
    try:
        template = read(folder / "tokenizer_config.json").get("chat_template")
    except PairError as error:
        yield Finding.of(error)
        return
    if not template:
        yield problem("pair_no_template", path=folder)


def target_model(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor] | None
) -> Iterator[Finding]:
    """Whether the weights are those that the configuration tells of."""
    if weights is None:
        return
    yield from _embedding(config, weights)
    yield from _layers(folder, config, weights)
    if config.get("tie_word_embeddings") is False and "lm_head.weight" not in weights:
        yield problem("pair_weight_missing", path=folder, name="lm_head.weight")
    yield from number_format(folder, config, weights)


def number_format(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Iterator[Finding]:
    """Small number formats need a configuration that says how they were quantised."""
    if config.get("quantization_config"):
        return
    strange = {
        tensor.dtype
        for name, tensor in weights.items()
        if name.endswith(".weight") and tensor.dtype not in _FLOATS
    }
    if strange:
        yield problem("pair_number_format", path=folder, format=", ".join(sorted(strange)))


def _embedding(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Iterator[Finding]:
    embedding = weights.get(_EMBEDDING)
    if embedding and embedding.shape != (config["vocab_size"], config["hidden_size"]):
        yield problem("pair_file_damaged", path=embedding.file)


def _layers(
    folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Iterator[Finding]:
    there = {name.split(".")[2] for name in weights if name.startswith("model.layers.")}
    for layer in range(config["num_hidden_layers"]):
        if str(layer) not in there:
            yield problem("pair_weight_missing", path=folder, name=f"model.layers.{layer}.*")
            return
