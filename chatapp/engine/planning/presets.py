"""Presets of the engine on a GPU: readable in ``assets/presets.toml``, and editable.

``presets.toml`` in the person's configuration folder changes them or adds others.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from chatapp import locations
from chatapp.errors import UsageError

_TUPLES = ("graph_sizes", "extra")


@dataclass(frozen=True, slots=True)
class Preset:
    """How the engine is set up on a card. ``mem_fraction_static`` None: as planned;
    ``longest_context``: all that the pair was trained for; ``capability``: the least
    that the card must have, such as 8.9; without ``prefill_graphs`` prompts are read
    without CUDA graphs, which takes a little longer and less memory; ``extra``: more of
    SGLang's own arguments."""

    name: str
    mem_fraction_static: float | None = None
    longest_context: bool = False
    max_running: int = 4
    graph_sizes: tuple[int, ...] = (1, 2, 3, 4)
    graph_max_batch: int | None = None
    chunked_prefill: int = 2048
    prefill_graphs: bool = True
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    capability: str | None = None
    extra: tuple[str, ...] = ()

    def runs_on(self, capability: tuple[int, int] | None) -> bool:
        """Whether a card can do it; one that does not tell is taken at its word."""
        if self.capability is None or capability is None:
            return True
        least = tuple(int(part) for part in self.capability.split("."))
        return capability >= least

    def arguments(self, mem_fraction_static: float) -> list[str]:
        """SGLang's arguments of this preset, with the share that the plan worked out."""
        sizes = [str(size) for size in self.graph_sizes]
        largest = str(self.graph_max_batch or max(self.graph_sizes))
        return [
            *("--max-running-requests", str(self.max_running)),
            *("--mem-fraction-static", f"{mem_fraction_static:g}"),
            *("--cuda-graph-max-bs-decode", largest, "--cuda-graph-bs-decode", *sizes),
            *("--chunked-prefill-size", str(self.chunked_prefill)),
            *(() if self.prefill_graphs else ("--disable-prefill-cuda-graph",)),
            *self._formats(),
            *self.extra,
        ]

    def _formats(self) -> list[str]:
        formats = []
        if self.quantization:
            # Else the draft would be read as if it were quantised too.
            formats += ["--quantization", self.quantization]
            formats += ["--speculative-draft-model-quantization", "unquant"]
        if self.kv_cache_dtype:
            formats += ["--kv-cache-dtype", self.kv_cache_dtype]
        return formats


def presets() -> dict[str, Preset]:
    """Name → preset. Raises UsageError when the person's file cannot be used."""
    shipped = _read(locations.assets() / "presets.toml")
    own = locations.presets_file()
    for name, said in (_read(own) if own.is_file() else {}).items():
        shipped[name] = {**shipped.get(name, {}), **said}
    return {name: _preset(name, said, own) for name, said in shipped.items()}


def preset(name: str) -> Preset:
    known = presets()
    if name not in known:
        raise UsageError("preset_unknown", name=name, known=", ".join(known))
    return known[name]


def default_preset(card_bytes: int) -> Preset:
    """The published setup from 16 GB on, the frugal one below."""
    return preset("published" if card_bytes >= 15.5 * (1 << 30) else "small")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError("settings_file", path=path, reason=error) from None


def _preset(name: str, said: Any, path: Path) -> Preset:
    known = {field.name for field in fields(Preset)} - {"name"}
    unknown = sorted(set(said) - known) if isinstance(said, dict) else [name]
    if unknown:
        raise UsageError("preset_setting", name=name, setting=", ".join(unknown), path=path)
    made: dict[str, Any] = {
        key: tuple(value) if key in _TUPLES else value for key, value in said.items()
    }
    try:
        preset = Preset(name, **made)
        preset.arguments(0.5)
        return preset
    except (TypeError, ValueError) as error:
        raise UsageError("preset_setting", name=name, setting=error, path=path) from None
