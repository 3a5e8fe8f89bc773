"""What a source of models is asked for, and what can go wrong, for any client library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from chatapp.errors import PairError


class SourceError(PairError):
    """A source that cannot give what it was asked for. ``errors.source_…``."""


class SourceBusy(SourceError):
    """It asks to wait; ``after_s`` where it says for how long."""

    def __init__(self, source: str, after_s: float | None = None) -> None:
        super().__init__("source_busy", source=source)
        self.after_s = after_s


class ConnectionLost(SourceError):
    """The line broke; what has arrived so far counts."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a model. ``sha256`` or, for small files, git's ``blob_id``: its checksum."""

    path: str
    size: int
    sha256: str | None = None
    blob_id: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a model at one ``revision``, which stays the same while it is fetched."""

    model: str
    revision: str
    files: tuple[RemoteFile, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """The bytes of a file from ``begin`` on: less than asked for when it cannot resume."""

    begin: int
    chunks: Iterator[bytes]


class DownloadSource(Protocol):
    """A hub. Both calls raise SourceError."""

    name: str
    address: str

    def listing(self, model: str) -> Listing: ...

    def open(
        self, listing: Listing, file: RemoteFile, begin: int
    ) -> AbstractContextManager[Stream]: ...


def status_error(status: int, source: str, model: str, retry_after: str | None) -> SourceError:
    """An HTTP status in words."""
    if status == 429:
        return SourceBusy(source, _seconds(retry_after))
    if status in (401, 403):
        return SourceError("source_refused", source=source, model=model)
    if status == 404:
        return SourceError("source_no_model", source=source, model=model)
    if status >= 500:
        return ConnectionLost("source_unwell", source=source, status=status)
    return SourceError("source_strange", source=source, status=status)


def begins_at(asked: int, status: int, content_range: str | None) -> int:
    """Where the body of an answer to a request from ``asked`` on begins."""
    if status != 206 or not content_range:
        return 0
    first = content_range.removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdigit() else 0


def listed(files: Iterator[RemoteFile]) -> tuple[RemoteFile, ...]:
    """The files that the engine needs: one set of weights, no folders below."""
    plain = [file for file in files if "/" not in file.path]
    safe = any(file.path.endswith(".safetensors") for file in plain)
    weights = (".safetensors",) if safe else (".bin",)
    return tuple(file for file in plain if _wanted(file.path, weights))


_SMALL = (".json", ".jinja", ".txt", ".model")
_PAPERS = ("LICENSE", "NOTICE", "README.md")


def _wanted(path: str, weights: tuple[str, ...]) -> bool:
    if path.endswith(".bin") and not path.startswith("pytorch_model"):
        return False
    return path.endswith((*weights, *_SMALL)) or path in _PAPERS


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


Sources = Callable[[], tuple[DownloadSource, ...]]
