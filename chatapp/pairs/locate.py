"""From the name of a pair to its folders.

A name is one of the catalogue's, ``auto``, two folders or two model names with a comma
between, or a folder with a ``pair.json``. Nothing is downloaded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.domain import Pair, Tree
from chatapp.errors import PairError
from chatapp.pairs.catalogue import POCKET, KnownPair, known_pairs, names
from chatapp.pairs.files.configuration import configuration, read
from chatapp.pairs.files.folders import ModelFolders

PUBLISHED_TREE = Tree(5, 4, 16)
LONGEST_CONTEXT = 32768


def locate(name: str, models: ModelFolders | None = None) -> Pair:
    """Raises PairError for a name that is none, or a folder that is not there."""
    models = models or ModelFolders(locations.default_data_dir())
    if name == POCKET:
        return _described(locations.pocket_pair())
    if name in known_pairs():
        return _known(known_pairs()[name], models)
    if "," in name:
        target, _, draft = name.partition(",")
        return _from_folders(*(_folder(part.strip(), name, models) for part in (target, draft)))
    folder = Path(name).expanduser().absolute()
    if (folder / "pair.json").is_file():
        return _described(folder)
    raise PairError("pair_unknown", name=name, known=", ".join(names()))


def repositories(name: str) -> tuple[str, str]:
    """The model names behind a pair that can be downloaded: target's, draft's."""
    known = known_pairs().get(name)
    if known:
        return known.target, known.draft
    parts = tuple(part.strip() for part in name.split(","))
    if len(parts) == 2 and all(_is_model_name(part) for part in parts):
        return parts
    raise PairError("pair_not_downloadable", name=name, known=", ".join(known_pairs()))


def _known(known: KnownPair, models: ModelFolders) -> Pair:
    target, draft = models.find(known.target), models.find(known.draft)
    if target is None or draft is None:
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
    """Of one half of the pair ``name``."""
    path = Path(part).expanduser().absolute()
    if path.is_dir():
        return path
    if not _is_model_name(part):
        raise PairError("pair_folder_missing", path=path)
    if found := models.find(part):
        return found
    raise PairError("pair_not_here", name=name.replace(" ", ""), model=part)


def _is_model_name(text: str) -> bool:
    owner, slash, model = text.partition("/")
    plain = all(part and not part.startswith((".", "~")) for part in (owner, model))
    return bool(slash) and plain and "/" not in model and not Path(text).expanduser().exists()


def _from_folders(target: Path, draft: Path) -> Pair:
    configs = configuration(target), configuration(draft)
    lengths = [config.get("max_position_embeddings", LONGEST_CONTEXT) for config in configs]
    return Pair(
        name=f"{_short(target)}+{_short(draft)}",
        target=target,
        draft=draft,
        tree=PUBLISHED_TREE,
        dtype=str(configs[0].get("dtype") or configs[0].get("torch_dtype") or "float16"),
        context_length=min(*lengths, LONGEST_CONTEXT),
    )


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


def _described(folder: Path) -> Pair:
    """The pair that a ``pair.json`` describes; its folders are relative to it."""
    path = folder / "pair.json"
    file = _Said(folder, read(path))
    try:
        return Pair(
            name=str(file.said["name"]),
            target=file.part("target"),
            draft=file.part("draft"),
            tree=Tree.parse(file.said["tree"]),
            dtype=str(file.said["dtype"]),
            context_length=int(file.said["context_length"]),
            drafter=str(file.said.get("drafter", "EAGLE3")),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise PairError("pair_file_damaged", path=path) from None
