"""Fetches one file so that nothing that has arrived is fetched twice.

The bytes go into ``NAME.CHECKSUM.part`` beside the final name, which the file gets when
its checksum is right. After a broken line, a pause or a kill the next attempt goes on at
the end of that part, from whichever source has the same bytes.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import PairError
from chatapp.pairs.download.download_progress import DownloadState, Meter
from chatapp.pairs.download.transfer import (
    ConnectionLost,
    DownloadSource,
    Listing,
    RemoteFile,
    SourceBusy,
)
from chatapp.pairs.files.folders import PARTIAL, size_of

PUBLISHED = ".published"
_PATIENCE = 6
_LONGEST_WAIT_S = 60.0
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetch:
    """``pause(seconds)`` waits and raises when the person wants to stop; with 0 it only
    looks. It is called for every block."""

    source: DownloadSource
    listing: Listing
    folder: Path
    meter: Meter
    pause: Callable[[float], None]

    def file(self, file: RemoteFile) -> None:
        """Leaves the whole file under its name. Raises PairError."""
        final = self.folder / file.path
        if self._is_there(final, file):
            return
        for last_attempt in (False, True):
            self._complete(file)
            part = part_of(final, file)
            if self._right(part, file):
                self._keep(part, final)
                return
            part.unlink()
            self.meter.at(self.listing.model, file.path, 0)
            if last_attempt:
                raise PairError("download_wrong_bytes", file=file.path, source=self.source.name)

    def _is_there(self, final: Path, file: RemoteFile) -> bool:
        """Fetched before or copied by hand; where we changed it, the original counts."""
        published = final.with_name(final.name + PUBLISHED)
        whole = published if published.is_file() else final
        if not whole.is_file() or whole.stat().st_size != file.size or not final.is_file():
            return False
        if not self._right(whole, file):
            return False
        self.meter.at(self.listing.model, file.path, file.size)
        return True

    def _complete(self, file: RemoteFile) -> None:
        """Until the part is as long as the file; patient while it makes progress."""
        part = part_of(self.folder / file.path, file)
        refused = 0
        while (begin := size_of(part)) < file.size or not part.exists():
            self.meter.set(state=DownloadState.FETCHING)
            try:
                self._attempt(file, part, begin)
            except (ConnectionLost, SourceBusy) as error:
                refused = refused + 1 if size_of(part) <= begin else 1
                if refused >= _PATIENCE:
                    raise
                self.meter.set(state=DownloadState.WAITING)
                asked = error.after_s if isinstance(error, SourceBusy) else None
                wait = 2.0 ** (refused - 1) / 2 if asked is None else asked
                self.pause(min(wait, _LONGEST_WAIT_S))
        if begin > file.size:
            part.unlink()
            self._complete(file)

    def _attempt(self, file: RemoteFile, part: Path, begin: int) -> None:
        with self.source.open(self.listing, file, begin) as stream:
            try:
                done = self._write(file, part, stream.begin, stream.chunks)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise PairError("download_disk_full", place=self.folder) from error
                raise PairError("download_not_written", place=part, reason=error) from error
        if done < file.size:
            raise ConnectionLost("source_lost", source=self.source.name)

    def _write(self, file: RemoteFile, part: Path, done: int, chunks: Iterable[bytes]) -> int:
        with part.open("ab") as out:
            if out.tell() != done:
                out.truncate(done)
            for chunk in chunks:
                self.pause(0)
                if done + len(chunk) > file.size:
                    out.truncate(0)
                    raise PairError("download_wrong_bytes", file=file.path, source=self.source.name)
                out.write(chunk)
                done += len(chunk)
                self.meter.arrived(self.listing.model, file.path, done, len(chunk))
            out.flush()
            os.fsync(out.fileno())
        return done

    def _right(self, path: Path, file: RemoteFile) -> bool:
        """Whether the checksum is that of the listing; the size alone where it has none."""
        self.meter.set(state=DownloadState.CHECKING)
        if file.sha256:
            return self._digest(path, hashlib.sha256()) == file.sha256.lower()
        if file.blob_id:
            named = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
            return self._digest(path, named) == file.blob_id.lower()
        return path.stat().st_size == file.size

    def _digest(self, path: Path, digest: hashlib._Hash) -> str:
        with path.open("rb") as data:
            while block := data.read(_BLOCK):
                self.pause(0)
                digest.update(block)
        return digest.hexdigest()

    def _keep(self, part: Path, final: Path) -> None:
        final.with_name(final.name + PUBLISHED).unlink(missing_ok=True)
        part.replace(final)


def part_of(final: Path, file: RemoteFile) -> Path:
    checksum = (file.sha256 or file.blob_id or str(file.size))[:8]
    return final.with_name(f"{final.name}.{checksum}{PARTIAL}")
