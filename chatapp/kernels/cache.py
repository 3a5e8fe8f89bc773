"""Where compiled kernels are kept, what is there, and what was built for which engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from chatapp import locations

# A kernel is compiled anew when one of these changes.
_VERSIONS = ("sglang", "flashinfer-python", "torch", "triton", "nvidia-cuda-nvcc")
_FORMAT = "1"
_SGLANG_PREFIX = "sgl_kernel_jit_"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled module: ``by`` is who compiled it (``sglang``, ``flashinfer``,
    ``triton``), ``arch`` what for, such as ``8.9``; empty where it is for any card."""

    name: str
    by: str
    arch: str
    bytes: int


def environment(folder: Path | None = None) -> dict[str, str]:
    """Tells SGLang, FlashInfer and Triton to keep their kernels below ``folder``."""
    folder = folder or locations.kernels()
    return {
        "SGLANG_JIT_CACHE_DIR": str(folder / "sglang"),
        "FLASHINFER_WORKSPACE_BASE": str(folder),
        "TRITON_CACHE_DIR": str(folder / "triton"),
    }


def kernels(folder: Path | None = None) -> list[Kernel]:
    """What is there, by name."""
    folder = folder or locations.kernels()
    found = [*_sglang(folder), *_flashinfer(folder), *_triton(folder)]
    return sorted(found, key=lambda kernel: (kernel.by, kernel.arch, kernel.name))


def unforeseen(folder: Path | None = None) -> list[str]:
    """Modules that are there though no rehearsal wanted them: an engine met them first."""
    folder = folder or locations.kernels()
    stamps = (folder / "built").glob("*.json")
    wanted = {name for stamp in stamps for name in json.loads(stamp.read_text("utf-8"))["modules"]}
    found = {f"{kernel.by} {kernel.name}" for kernel in kernels(folder) if kernel.arch}
    return sorted(found - wanted)


def _sglang(folder: Path) -> Iterator[Kernel]:
    for library in (folder / "sglang").glob("*/*/build-*/deps-*/*.so"):
        target, name = library.relative_to(folder / "sglang").parts[:2]
        name = name.removeprefix(_SGLANG_PREFIX)
        yield Kernel(name, "sglang", _arch(target), library.stat().st_size)


def _flashinfer(folder: Path) -> Iterator[Kernel]:
    base = folder / ".cache" / "flashinfer"
    for library in base.glob("*/*/cached_ops/*/*.so"):
        arch = library.relative_to(base).parts[1]
        yield Kernel(library.stem, "flashinfer", _arch(arch), library.stat().st_size)


def _triton(folder: Path) -> Iterator[Kernel]:
    for library in (folder / "triton").glob("*/cuda_utils*.so"):
        yield Kernel("cuda_utils", "triton", "", library.stat().st_size)


def _arch(text: str) -> str:
    """``sm_89``, ``8.9`` and ``89`` all name 8.9; letters behind it are kept."""
    name = text.removeprefix("cuda").strip("-_").removeprefix("sm").strip("-_")
    digits = name.rstrip("abcdefghijklmnopqrstuvwxyz")
    if "." in name or not digits.isdigit() or len(digits) < 2:
        return name
    return f"{digits[:-1]}.{digits[-1]}{name[len(digits) :]}"


def is_built(command: Sequence[str], arch: str) -> bool:
    """Whether all that this engine wants was built, by this version of the set."""
    return _stamp(command, arch).is_file()


def mark_built(command: Sequence[str], arch: str, modules: Sequence[str]) -> None:
    path = _stamp(command, arch)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"arch": arch, "modules": sorted(modules)}), "utf-8")
    draft.replace(path)


def _stamp(command: Sequence[str], arch: str) -> Path:
    told = json.dumps([_FORMAT, arch, _versions(), deciding(command), _shapes(command)])
    name = hashlib.sha256(told.encode()).hexdigest()[:24]
    return locations.kernels() / "built" / f"{name}.json"


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def deciding(command: Sequence[str]) -> list[str]:
    """The engine's arguments that can decide which kernels it wants: not where its files
    and its port are, nor how large its cache is."""
    return [word for flag in _flags(command) if flag[0] not in _INDIFFERENT for word in flag]


_DECIDING = (
    *("architectures", "hidden_size", "intermediate_size", "head_dim", "sliding_window"),
    *("num_attention_heads", "num_key_value_heads", "rope_scaling", "quantization_config"),
)
_INDIFFERENT = (
    *("--model-path", "--speculative-draft-model-path", "--served-model-name", "--host"),
    *("--port", "--api-key", "--config", "--context-length", "--mem-fraction-static"),
    *("--max-total-tokens", "--stream-interval", "--random-seed", "--log-level"),
    "--watchdog-timeout",
)


def _flags(command: Sequence[str]) -> list[list[str]]:
    """Each flag with the words behind it."""
    flags: list[list[str]] = []
    for word in command:
        if word.startswith("--"):
            flags.append([word])
        elif flags:
            flags[-1].append(word)
    return flags


def _shapes(command: Sequence[str]) -> list[dict[str, object]]:
    """What decides of the configurations of target and draft."""
    files = ((place / "config.json").read_text("utf-8") for place in models(command).values())
    return [{name: json.loads(file).get(name) for name in _DECIDING} for file in files]


def models(command: Sequence[str]) -> dict[str, Path]:
    """Flag → folder of the target and, where the engine has one, of the draft."""
    named = {name: argument(command, name) for name in _MODELS}
    return {name: Path(place) for name, place in named.items() if place}


_MODELS = ("--model-path", "--speculative-draft-model-path")


def argument(command: Sequence[str], name: str) -> str:
    """The value of a flag that has one; the last of several counts. Empty: not there."""
    found = [flag[1] for flag in _flags(command) if flag[0] == name and len(flag) > 1]
    return found[-1] if found else ""
