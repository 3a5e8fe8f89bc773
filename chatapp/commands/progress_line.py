"""Shows a download in a terminal: one line that is written over, on standard error."""

from __future__ import annotations

import sys
import time

from chatapp.pairs.download.download import Download
from chatapp.pairs.download.download_progress import DownloadProgress, DownloadState
from chatapp.texts import Texts
from chatapp.units import disk_size, duration

_EVERY_S = 0.25
QUIET_EVERY_S = 10.0


def follow(download: Download, texts: Texts) -> DownloadProgress:
    """Until it has ended. An interrupt keeps what has arrived: it comes back as PAUSED."""
    on_terminal = sys.stderr.isatty()
    every = _EVERY_S if on_terminal else QUIET_EVERY_S
    shown = 0.0
    try:
        while not (progress := download.wait(0.05)).state.ended:
            if time.monotonic() - shown >= every:
                shown = time.monotonic()
                show(line(progress, texts), on_terminal)
    except KeyboardInterrupt:
        download.pause()
        print("\n" + texts("pairs.kept"), file=sys.stderr)
        return download.progress()
    show(line(progress, texts), on_terminal)
    if on_terminal:
        print(file=sys.stderr)
    return progress


def line(progress: DownloadProgress, texts: Texts) -> str:
    """``fetching 1.2 / 8.5 GB, 14.2 MB/s, 8 min left, model-00001…``"""
    parts = [texts(f"pairs.state.{progress.state}")]
    if progress.total:
        values = {"done": disk_size(progress.done), "total": disk_size(progress.total)}
        parts.append(texts("pairs.so_far", **values))
    if progress.bytes_per_second:
        parts.append(f"{disk_size(round(progress.bytes_per_second))}/s")
    if progress.seconds_left is not None:
        parts.append(texts("pairs.left", time=duration(progress.seconds_left)))
    current = next((file for file in progress.files if 0 < file.done < file.size), None)
    if current and progress.state is DownloadState.FETCHING:
        parts.append(f"{current.path} {100 * current.done // current.size}%")
    return ", ".join(parts)


def show(text: str, on_terminal: bool) -> None:
    """In place of the line before; where standard error is a file, below it."""
    print(
        f"\r{text}\033[K" if on_terminal else text,
        end="" if on_terminal else "\n",
        file=sys.stderr,
        flush=True,
    )
