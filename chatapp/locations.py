"""Every directory and file that we touch, one function each.

Only the standard library: the launcher uses this room before anything is installed.
"""

from __future__ import annotations

import os
from pathlib import Path


def project() -> Path:
    """The checkout: where ``launcher.py`` lies."""
    return Path(__file__).resolve().parent.parent


def assets() -> Path:
    return project() / "assets"


def venv() -> Path:
    return project() / ".venv"


def cuda_home(prefix: Path) -> Path:
    """The CUDA toolkit inside the virtual environment ``prefix``, laid out of its wheels."""
    return prefix / "cuda"


def pocket_pair() -> Path:
    """``target/``, ``draft/`` and the card of the pocket pair."""
    return assets() / "pocket"


def training_work() -> Path:
    """Checkpoints and logs of a training run; never in git."""
    return project() / ".work" / "training"


def launcher_work() -> Path:
    """Lock, log and temporary files of an install; never in git."""
    return project() / ".work" / "launcher"


def default_data_dir() -> Path:
    """``$XDG_DATA_HOME/eaglechat`` or ``~/.local/share/eaglechat``."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "eaglechat"


def compiled_kernels() -> Path:
    """``$XDG_CACHE_HOME/eaglechat/inductor`` or the same below ``~/.cache``: what torch
    compiles for an engine, kept from one start to the next."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "eaglechat" / "inductor"


def kernels() -> Path:
    """``$XDG_CACHE_HOME/eaglechat/kernels`` or the same below ``~/.cache``: CUDA kernels."""
    return compiled_kernels().with_name("kernels")


def settings_file() -> Path:
    """``$XDG_CONFIG_HOME/eaglechat/settings.toml`` or the same below ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "eaglechat" / "settings.toml"


def presets_file() -> Path:
    """The person's own presets, beside the settings file."""
    return settings_file().with_name("presets.toml")


def store(data_dir: Path) -> Path:
    return data_dir / "eaglechat.sqlite3"


def engine_key(data_dir: Path) -> Path:
    """The key of an engine elsewhere, for its owner's eyes alone."""
    return data_dir / "engine-key.json"


def page_key(data_dir: Path) -> Path:
    """The key of the page, for its owner's eyes alone."""
    return data_dir / "page-key"


def engine_log(data_dir: Path) -> Path:
    return data_dir / "engine.log"


def ask_log(data_dir: Path) -> Path:
    """Log of an engine that ``ask`` starts for itself, beside that of the app's."""
    return data_dir / f"ask-{os.getpid()}.log"


def error_log(data_dir: Path) -> Path:
    """Tracebacks of mistakes of ours, which no person is shown."""
    return data_dir / "error.log"


def app_record(data_dir: Path) -> Path:
    """Lock and address of the app that runs on this data directory."""
    return data_dir / "running.json"


def bench(data_dir: Path) -> Path:
    """Benchmarks: journals of unfinished ones, reports of finished ones."""
    return data_dir / "bench"
