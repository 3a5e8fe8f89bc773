"""Downloads a pair: asks the sources, looks at the disk, fetches, checks, tells how far.

One thread does the work; ``pause``, ``resume`` and ``cancel`` may be called from anywhere.
What has arrived stays on the disk and is never fetched twice, a kill included; only
``cancel`` throws half files away.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chatapp.errors import PairError
from chatapp.pairs.catalogue import known_pairs
from chatapp.pairs.download.download_progress import (
    DownloadProgress,
    DownloadState,
    FileProgress,
    Meter,
)
from chatapp.pairs.download.fetch import PUBLISHED, Fetch, part_of
from chatapp.pairs.download.sources import first_that_has
from chatapp.pairs.download.transfer import DownloadSource, Listing, RemoteFile
from chatapp.pairs.files.folders import PARTIAL, ModelFolders
from chatapp.pairs.locate import repositories
from chatapp.units import disk_gb

# What must stay free on the disk beside the files themselves.
MARGIN_BYTES = 1 << 29


class _Cancelled(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Model:
    """One model to fetch. ``changes`` go into its config.json."""

    folder: Path
    source: DownloadSource
    listing: Listing
    changes: Mapping[str, Any]


class Download:
    """Of one pair into ``models``. ``ask`` gives the sources, the preferred first."""

    def __init__(
        self,
        name: str,
        models: ModelFolders,
        ask: Callable[[], Sequence[DownloadSource]],
        free_bytes: Callable[[Path], int] = lambda place: shutil.disk_usage(place).free,
    ) -> None:
        self._names = repositories(name)
        known = known_pairs().get(name)
        self._changes = {known.draft: known.draft_config} if known else {}
        self._models, self._ask, self._free_bytes = models, ask, free_bytes
        self._meter = Meter(name)
        self._cancelled, self._going = threading.Event(), threading.Event()
        self._going.set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """In a thread of its own; ``progress`` tells how it ends."""
        self._thread = threading.Thread(target=self._run, name="download", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> DownloadProgress:
        if self._thread is not None:
            self._thread.join(timeout)
        return self.progress()

    def progress(self) -> DownloadProgress:
        progress = self._meter.now()
        paused = not self._going.is_set() and not progress.state.ended
        return replace(progress, state=DownloadState.PAUSED) if paused else progress

    def pause(self) -> None:
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    def cancel(self) -> None:
        self._cancelled.set()
        self._going.set()

    def _run(self) -> None:
        try:
            self._all()
            self._meter.set(state=DownloadState.FINISHED)
        except _Cancelled:
            self._throw_away()
            self._meter.set(state=DownloadState.CANCELLED)
        except PairError as error:
            self._fail(error)
        except OSError as error:
            self._fail(PairError("download_not_written", place=self._models.root, reason=error))

    def _all(self) -> None:
        missing = [name for name in dict.fromkeys(self._names) if not self._models.find(name)]
        if not missing:
            return
        self._models.root.mkdir(parents=True, exist_ok=True)
        with _alone(self._models.root / ".lock"):
            asked = tuple(self._ask())
            models = [self._model(name, asked) for name in missing]
            self._list(models)
            self._look_at_the_disk(models)
            for model in models:
                self._fetch(model)

    def _model(self, name: str, asked: tuple[DownloadSource, ...]) -> _Model:
        self._stop_if_asked(0)
        source, listing = first_that_has(name, list(asked))
        folder = self._models.folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        self._meter.set(source=source.name)
        return _Model(folder, source, listing, self._changes.get(name, {}))

    def _list(self, models: list[_Model]) -> None:
        self._meter.files(
            FileProgress(model.listing.model, file.path, file.size, _here(model.folder, file))
            for model in models
            for file in model.listing.files
        )

    def _look_at_the_disk(self, models: list[_Model]) -> None:
        progress = self._meter.now()
        needed = progress.total - progress.done + MARGIN_BYTES
        free = self._free_bytes(self._models.root)
        if models and free < needed:
            values = {"needed": disk_gb(needed), "free": disk_gb(free), "place": self._models.root}
            raise PairError("download_no_room", **values)

    def _fetch(self, model: _Model) -> None:
        """Small files first, so that a folder whose weights are there is complete."""
        self._meter.set(source=model.source.name)
        fetch = Fetch(model.source, model.listing, model.folder, self._meter, self._stop_if_asked)
        for file in sorted(model.listing.files, key=lambda file: file.size):
            fetch.file(file)
            if file.path == "config.json" and model.changes:
                _change(model.folder / file.path, model.changes)
        for stale in model.folder.glob(f"*{PARTIAL}"):
            stale.unlink()

    def _stop_if_asked(self, seconds: float) -> None:
        """Waits for so long, and as long as it is paused."""
        until = time.monotonic() + seconds
        while not self._going.is_set() or time.monotonic() < until:
            if self._cancelled.is_set():
                break
            time.sleep(0.05)
        if self._cancelled.is_set():
            raise _Cancelled

    def _throw_away(self) -> None:
        for name in self._names:
            for part in self._models.folder(name).glob(f"*{PARTIAL}"):
                part.unlink(missing_ok=True)

    def _fail(self, error: PairError) -> None:
        self._meter.set(
            state=DownloadState.FAILED, error=error.key, error_values=dict(error.values)
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One download at a time in a data directory, whichever process it runs in."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PairError("download_busy", place=path.parent) from None
        yield


def _here(folder: Path, file: RemoteFile) -> int:
    """How much of a file is on the disk already."""
    final = folder / file.path
    for path in (final, part_of(final, file)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _change(path: Path, changes: Mapping[str, Any]) -> None:
    published = path.with_name(path.name + PUBLISHED)
    if not published.is_file():
        shutil.copyfile(path, published)
    said = json.loads(published.read_text("utf-8"))
    path.write_text(json.dumps({**said, **changes}, indent=2) + "\n", "utf-8")
