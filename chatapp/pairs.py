"""Finds the pair to run and checks that it is whole and that its draft fits its target.

The check reads configurations and weight headers only: cheap, without torch, and
before the engine is started, which would take half a minute to say the same.
"""

from __future__ import annotations

import json
from array import array
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.domain import Pair, Tree
from chatapp.errors import PairError
from chatapp.settings import Settings
from chatapp.weights import Tensor, tensors

PUBLISHED_TREE = Tree(5, 4, 16)
LONGEST_CONTEXT = 32768
_DRAFTERS = ("LlamaForCausalLMEagle3",)


def find_pair(settings: Settings) -> Pair:
    """The pair that the settings name, checked. Raises PairError."""
    pair = locate(settings.pair)
    check(pair)
    return pair


def locate(name: str) -> Pair:
    """``pocket``, ``TARGET_DIR,DRAFT_DIR``, or a folder with a ``pair.json``."""
    if name == "pocket":
        return _described(locations.pocket_pair())
    if "," in name:
        target, _, draft = name.partition(",")
        return _from_folders(_folder(target), _folder(draft))
    if (Path(name).expanduser() / "pair.json").is_file():
        return _described(Path(name).expanduser().absolute())
    raise PairError("pair_unknown", name=name)


def check(pair: Pair) -> None:
    """Raises PairError when a file is missing or damaged, or the draft does not fit."""
    for file in ("tokenizer.json", "tokenizer_config.json"):
        if not (pair.target / file).is_file():
            raise PairError("pair_file_missing", path=pair.target / file)
    target, draft = _config(pair.target), _config(pair.draft)
    _check_kind(pair, draft)
    _agree(pair, "vocab_size", draft["vocab_size"], target["vocab_size"])
    if "target_hidden_size" in draft or "hidden_size" in draft:
        reads = draft.get("target_hidden_size", draft["hidden_size"])
        _agree(pair, "hidden_size", reads, target["hidden_size"])
    _check_target(pair, target, tensors(pair.target))
    weights = tensors(pair.draft)
    if weights is not None:
        _check_draft(pair, draft, target, weights)


def _check_kind(pair: Pair, draft: dict[str, Any]) -> None:
    kinds = draft.get("architectures") or []
    if not any(kind in _DRAFTERS for kind in kinds):
        raise PairError("pair_no_draft", path=pair.draft, kind=", ".join(kinds) or "?")


def _check_target(pair: Pair, config: dict[str, Any], weights: dict[str, Tensor] | None) -> None:
    embedding = (weights or {}).get("model.embed_tokens.weight")
    if embedding is not None:
        wanted = (config["vocab_size"], config["hidden_size"])
        if embedding.shape != wanted:
            raise PairError("pair_file_damaged", path=embedding.file)
    last = f"model.layers.{config['num_hidden_layers'] - 1}."
    if weights is not None and not any(name.startswith(last) for name in weights):
        raise PairError("pair_weight_missing", path=pair.target, name=last + "*")


def _check_draft(
    pair: Pair, draft: dict[str, Any], target: dict[str, Any], weights: dict[str, Tensor]
) -> None:
    for name in ("fc.weight", "norm.weight", "lm_head.weight", "d2t"):
        if name not in weights:
            raise PairError("pair_weight_missing", path=pair.draft, name=name)
    size, vocabulary = _draft_vocabulary(draft), target["vocab_size"]
    features = draft.get("num_aux_hidden_states") or 3
    _agree(pair, "fc.weight", weights["fc.weight"].shape[1], features * target["hidden_size"])
    _agree(pair, "lm_head.weight", weights["lm_head.weight"].shape[0], size)
    _agree(pair, "d2t", weights["d2t"].shape[0], size)
    if "t2d" in weights:
        _agree(pair, "t2d", weights["t2d"].shape[0], vocabulary)
    _check_token_map(pair, weights["d2t"], vocabulary)


def _check_token_map(pair: Pair, d2t: Tensor, vocabulary: int) -> None:
    """``d2t`` holds target id minus draft id; every draft token is a target's token."""
    if d2t.dtype != "I64":
        return
    ids = [own + shift for own, shift in enumerate(array("q", d2t.read()))]
    if ids and not (min(ids) >= 0 and max(ids) < vocabulary and len(set(ids)) == len(ids)):
        raise PairError("pair_token_map", path=pair.draft)


def _draft_vocabulary(draft: dict[str, Any]) -> int:
    return draft.get("draft_vocab_size") or draft["vocab_size"]


def _agree(pair: Pair, what: str, draft: int, target: int) -> None:
    if draft != target:
        raise PairError("pair_misfit", path=pair.draft, what=what, draft=draft, target=target)


def _folder(name: str) -> Path:
    path = Path(name.strip()).expanduser().absolute()
    if not path.is_dir():
        raise PairError("pair_folder_missing", path=path)
    return path


def _from_folders(target: Path, draft: Path) -> Pair:
    configs = _config(target), _config(draft)
    lengths = [config.get("max_position_embeddings", LONGEST_CONTEXT) for config in configs]
    return Pair(
        name=target.name,
        target=target,
        draft=draft,
        tree=PUBLISHED_TREE,
        dtype=configs[0].get("dtype") or configs[0].get("torch_dtype") or "float16",
        context_length=min(*lengths, LONGEST_CONTEXT),
    )


def _described(folder: Path) -> Pair:
    """The pair that a ``pair.json`` describes; its folders are relative to it."""
    path = folder / "pair.json"
    said = _read(path)
    try:
        return Pair(
            name=str(said["name"]),
            target=_folder(str(folder / said["target"])),
            draft=_folder(str(folder / said["draft"])),
            tree=Tree.parse(said["tree"]),
            dtype=str(said["dtype"]),
            context_length=int(said["context_length"]),
            drafter=str(said.get("drafter", "EAGLE3")),
        )
    except (KeyError, TypeError, ValueError):
        raise PairError("pair_file_damaged", path=path) from None


def _config(folder: Path) -> dict[str, Any]:
    config = _read(folder / "config.json")
    numbers = ("vocab_size", "hidden_size", "num_hidden_layers")
    if not all(isinstance(config.get(name), int) for name in numbers):
        raise PairError("pair_file_damaged", path=folder / "config.json")
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError:
        raise PairError("pair_file_missing", path=path) from None
    except ValueError:
        raise PairError("pair_file_damaged", path=path) from None
    if not isinstance(value, dict):
        raise PairError("pair_file_damaged", path=path)
    return value
