"""Reads what weight files say of themselves, without loading them and without torch.

A safetensors file is eight bytes of length, a JSON header, then the tensors; whether
it is whole follows from the header and the size of the file.
"""

from __future__ import annotations

import json
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.errors import PairError

_ITEM_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file: where it lies and what it is."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    def read(self) -> bytes:
        with self.file.open("rb") as file:
            file.seek(self.begin)
            return file.read(self.end - self.begin)


def tensors(folder: Path) -> dict[str, Tensor] | None:
    """All tensors of a model folder; None where the weights are in torch's own format.

    Raises PairError when a file is missing, cut short, or damaged.
    """
    found: dict[str, Tensor] = {}
    for file in weight_files(folder):
        found |= _header(file)
    if found:
        return found
    binaries = sorted(folder.glob("pytorch_model*.bin"))
    if not binaries:
        raise PairError("pair_file_missing", path=folder / "model.safetensors")
    for file in binaries:
        if not zipfile.is_zipfile(file):
            raise PairError("pair_file_damaged", path=file)
    return None


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder; none where it has no such.

    Raises PairError when one is missing or their index is damaged.
    """
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return sorted(folder.glob("*.safetensors"))
    files = sorted({folder / name for name in _json(index)["weight_map"].values()})
    for file in files:
        if not file.is_file():
            raise PairError("pair_file_missing", path=file)
    return files


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
        return {**value, "weight_map": dict(value["weight_map"])}
    except (ValueError, KeyError, TypeError):
        raise PairError("pair_file_damaged", path=path) from None


def _header(path: Path) -> dict[str, Tensor]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise PairError("pair_file_damaged", path=path)
        header = file.read(length)
    start = 8 + length
    try:
        entries = {k: v for k, v in json.loads(header).items() if k != "__metadata__"}
        found = {name: _tensor(path, start, entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PairError("pair_file_damaged", path=path) from None
    expected = max((tensor.end for tensor in found.values()), default=start)
    if expected != size:
        raise PairError("pair_file_cut", path=path, expected=expected, found=size)
    return found


def _tensor(path: Path, start: int, entry: dict[str, Any]) -> Tensor:
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if end - begin != math.prod(shape) * _ITEM_BYTES[entry["dtype"]]:
        raise ValueError("a tensor's size does not follow from its shape")
    return Tensor(path, entry["dtype"], shape, start + begin, start + end)
