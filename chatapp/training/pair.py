"""The pair as files: what SGLang, transformers and the app load.

Promises 16-bit weights of at most 24 MB in all, under the names that SGLang expects;
what is read back computes exactly what was written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from chatapp.training.learn.recipe import Recipe
from chatapp.training.model.draft import Draft
from chatapp.training.model.shape import Shape
from chatapp.training.model.target import Target
from chatapp.training.model.tokenizer import ChatFormat, save_tokenizer

TREE = "7/1/8"


def round_weights(model: nn.Module) -> None:
    """To the numbers that 16 bits can hold: done before anything else is built on them."""
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half().float())


def narrow(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous().clone()
        for name, value in state.items()
    }


def save_weights(folder: Path, model: nn.Module) -> None:
    path = folder / "model.safetensors"
    save_file(narrow(model.state_dict()), path, metadata={"format": "pt"})
    path.chmod(0o644)  # the library writes it for the owner alone


def write_json(path: Path, content: object) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def save_target(folder: Path, target: Target, tokenizer: Tokenizer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    form = ChatFormat(tokenizer)
    save_weights(folder, target)
    write_json(folder / "config.json", target.config(form.end))
    write_json(
        folder / "generation_config.json",
        {"do_sample": False, "eos_token_id": form.end, "pad_token_id": form.padding},
    )
    save_tokenizer(tokenizer, folder, target.shape.context)


def save_draft(folder: Path, draft: Draft, end: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder, draft)
    write_json(folder / "config.json", draft.config(end))


def save_pair(
    folder: Path, recipe: Recipe, target: Target, draft: Draft, tokenizer: Tokenizer
) -> None:
    """Both models and ``pair.json``. A tree measured for this pair before is kept."""
    save_target(folder / "target", target, tokenizer)
    save_draft(folder / "draft", draft, ChatFormat(tokenizer).end)
    about = folder / "pair.json"
    tree = json.loads(about.read_text(encoding="utf-8"))["tree"] if about.exists() else TREE
    write_json(
        about,
        {
            "name": "pocket",
            "target": "target",
            "draft": "draft",
            "tree": tree,
            "dtype": "float32",
            "context_length": recipe.target.shape.context,
            "drafter": "EAGLE3",
        },
    )


def read_shape(folder: Path) -> Shape:
    return Shape.from_config(json.loads((folder / "config.json").read_text(encoding="utf-8")))


def widen(folder: Path) -> dict[str, Tensor]:
    state = load_file(folder / "model.safetensors")
    return {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }


def load_pair(folder: Path) -> tuple[Target, Draft, ChatFormat]:
    """Both models in float32, as the engine runs them, and the chat format."""
    target = Target(read_shape(folder / "target"))
    target.load_state_dict(widen(folder / "target"))
    state = widen(folder / "draft")
    hot = state["d2t"] + torch.arange(len(state["d2t"]))
    draft = Draft(read_shape(folder / "draft"), hot)
    draft.load_state_dict(state)
    tokenizer = Tokenizer.from_file(str(folder / "target" / "tokenizer.json"))
    return target.eval(), draft.eval(), ChatFormat(tokenizer)
