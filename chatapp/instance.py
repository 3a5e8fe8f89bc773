"""One app per data directory: the first claims it, a second learns where the first is.

The claim is a lock that the kernel releases when the process ends, however it ends; the
record beside it only carries the address.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from chatapp import locations
from chatapp.errors import StoreError
from chatapp.private import private_folder


@dataclass(frozen=True, slots=True)
class AlreadyRunning:
    """Another app holds this data directory; ``url`` is None until its page is up."""

    url: str | None


class Claim:
    """Held while the app runs."""

    def __init__(self, lock: BinaryIO, record: Path) -> None:
        self._lock, self._record = lock, record

    def publish(self, url: str) -> None:
        """Tell others where the page is."""
        part = self._record.with_suffix(".part")
        part.write_text(json.dumps({"pid": os.getpid(), "url": url}), "utf-8")
        part.replace(self._record)

    def release(self) -> None:
        self._record.unlink(missing_ok=True)
        self._lock.close()


def claim(data_dir: Path) -> Claim | AlreadyRunning:
    """Raises StoreError when the directory cannot be used."""
    record = locations.app_record(data_dir)
    try:
        private_folder(data_dir)
        lock = record.with_suffix(".lock").open("ab")
    except OSError as error:
        raise StoreError("store_failed", path=data_dir, reason=error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return AlreadyRunning(_url(record))
    record.unlink(missing_ok=True)  # of an app that was killed
    return Claim(lock, record)


def _url(record: Path) -> str | None:
    try:
        return str(json.loads(record.read_text("utf-8"))["url"])
    except (OSError, ValueError, KeyError):
        return None
