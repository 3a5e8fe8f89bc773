"""Where downloaded models lie, and whether one is complete.

Every model has one folder below ``DATA/models``, shared by the pairs that use it:
``Qwen--Qwen3-4B-Instruct-2507``. A folder that was copied there by hand, under this name
or the model's own, is taken as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import PairError
from chatapp.pairs.files.configuration import configuration
from chatapp.pairs.files.weights import tensors

PARTIAL = ".part"


@dataclass(frozen=True, slots=True)
class ModelFolders:
    """The models of one data directory."""

    data_dir: Path

    @property
    def root(self) -> Path:
        return self.data_dir / "models"

    def folder(self, model: str) -> Path:
        """Where a download of ``owner/name`` goes."""
        return self.root / model.replace("/", "--")

    def find(self, model: str) -> Path | None:
        """The folder of a model that is there and whole; None where there is none."""
        owner, _, name = model.partition("/")
        places = (self.folder(model), self.root / owner / name, self.root / name)
        return next((place for place in places if is_whole(place)), None)

    def weight_bytes(self, model: str) -> int:
        """How much of a model's weights is there, half downloaded files included."""
        kinds = ("*.safetensors", "*.bin", f"*{PARTIAL}")
        return sum(size_of(path) for kind in kinds for path in self.folder(model).glob(kind))


def size_of(path: Path) -> int:
    """In bytes; 0 for a file that is not there, or no longer."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def is_whole(folder: Path) -> bool:
    """Nothing half downloaded, and every weight file as long as its header says."""
    if not folder.is_dir() or any(folder.glob(f"*{PARTIAL}")):
        return False
    try:
        configuration(folder)
        tensors(folder)
    except PairError:
        return False
    return True
