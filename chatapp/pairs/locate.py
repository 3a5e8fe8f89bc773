"""From the name of a pair to its folders.

A name is one of the catalogue's, two folders or two model names with a comma between, a
folder with a ``pair.json``, or a target alone. Nothing is downloaded here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.domain import Pair, Tree
from chatapp.errors import PairError
from chatapp.pairs.catalogue import POCKET, KnownPair, known_pairs, names
from chatapp.pairs.drafters import DRAFTERS
from chatapp.pairs.files.configuration import configuration, read
from chatapp.pairs.files.folders import ModelFolders

LONGEST_CONTEXT = 32768
_MODEL_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def locate(name: str, models: ModelFolders | None = None, drafter: str | None = None) -> Pair:
    """The pair with ``drafter``, or else with its own; a target alone has NGRAM. Raises
    PairError for a name that is none, or a folder that is not there."""
    models = models or ModelFolders(locations.default_data_dir())
    pair = _named(name, models, drafter is None or DRAFTERS[drafter].weights)
    return pair if drafter in (None, pair.drafter) else drafted_by(pair, drafter)


def drafted_by(pair: Pair, drafter: str) -> Pair:
    """The same target with another drafter, which is another pair: what is measured with one
    says nothing of the other. One that has weights keeps those of the pair, if any."""
    if DRAFTERS[drafter].weights:
        return replace(pair, drafter=drafter)
    name, tree = f"{pair.name}+{drafter.lower()}", DRAFTERS[drafter].tree
    return replace(pair, name=name, draft=None, drafter=drafter, tree=tree)


def undrafted(pair_name: str) -> str:
    """The name of a pair without that of another drafter."""
    name, _, last = pair_name.rpartition("+")
    return name if last.upper() in DRAFTERS else pair_name


def _named(name: str, models: ModelFolders, weights: bool) -> Pair:
    """Without ``weights`` only the target need be here."""
    if name == POCKET:
        return _described(locations.pocket_pair(), weights)
    if name in known_pairs():
        return _known(known_pairs()[name], models, weights)
    if "," in name:
        parts = [part.strip() for part in name.split(",", 1)]
        folders = [_folder(part, name, models) for part in parts[: 2 if weights else 1]]
        return _from_folders(*folders)
    folder = Path(name).expanduser().absolute()
    if (folder / "pair.json").is_file():
        return _described(folder, weights)
    if folder.is_dir() or _is_model_name(name):
        return _from_folders(_folder(name, name, models))
    raise PairError("pair_unknown", name=name, known=", ".join(names()))


def repositories(name: str) -> tuple[str, ...]:
    """The names of the models behind a pair that can be downloaded: the target's, and the
    draft's if it has one."""
    known = known_pairs().get(name)
    if known:
        return known.target, known.draft
    parts = tuple(part.strip() for part in name.split(","))
    if len(parts) <= 2 and all(_is_model_name(part) for part in parts):
        return parts
    raise PairError("pair_not_downloadable", name=name, known=", ".join(known_pairs()))


def _known(known: KnownPair, models: ModelFolders, weights: bool) -> Pair:
    target, draft = models.find(known.target), models.find(known.draft)
    if target is None or (weights and draft is None):
        missing = known.target if target is None else known.draft
        raise PairError("pair_not_here", name=known.name, model=missing)
    return Pair(
        name=known.name,
        target=target,
        draft=draft,
        tree=known.tree,
        dtype=known.dtype,
        context_length=known.context_length,
        drafter=known.drafter,
    )


def _folder(part: str, name: str, models: ModelFolders) -> Path:
    """Of one part of the pair ``name``."""
    path = Path(part).expanduser().absolute()
    if path.is_dir():
        return path
    if not _is_model_name(part):
        raise PairError("pair_folder_missing", path=path)
    if found := models.find(part):
        return found
    raise PairError("pair_not_here", name=name.replace(" ", ""), model=part)


def _is_model_name(text: str) -> bool:
    return bool(_MODEL_NAME.fullmatch(text)) and not Path(text).expanduser().exists()


def _from_folders(target: Path, draft: Path | None = None) -> Pair:
    configs = [configuration(folder) for folder in (target, draft) if folder]
    lengths = [config.get("max_position_embeddings", LONGEST_CONTEXT) for config in configs]
    pair = Pair(
        name=f"{_short(target)}+{_short(draft)}" if draft else _short(target),
        target=target,
        draft=draft,
        tree=DRAFTERS["EAGLE3"].tree,
        dtype=str(configs[0].get("dtype") or configs[0].get("torch_dtype") or "float16"),
        context_length=min(*lengths, LONGEST_CONTEXT),
    )
    return pair if draft else drafted_by(pair, "NGRAM")


def _short(folder: Path) -> str:
    """Both halves name a pair: what is measured with one draft says nothing of another."""
    return folder.name.partition("--")[2] or folder.name


@dataclass(frozen=True, slots=True)
class _Said:
    folder: Path
    said: dict[str, Any]

    def part(self, name: str) -> Path:
        path = (self.folder / str(self.said[name])).absolute()
        if not path.is_dir():
            raise PairError("pair_folder_missing", path=path)
        return path


def _described(folder: Path, weights: bool) -> Pair:
    """The pair that a ``pair.json`` describes; its folders are relative to it."""
    path = folder / "pair.json"
    file = _Said(folder, read(path))
    try:
        drafter = DRAFTERS[str(file.said.get("drafter", "EAGLE3"))]
        return Pair(
            name=str(file.said["name"]),
            target=file.part("target"),
            draft=file.part("draft") if weights and drafter.weights else None,
            tree=Tree.parse(file.said["tree"]),
            dtype=str(file.said["dtype"]),
            context_length=int(file.said["context_length"]),
            drafter=drafter.name,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PairError("pair_file_damaged", path=path) from None
