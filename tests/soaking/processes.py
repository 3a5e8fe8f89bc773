"""The app's processes: which there are, and when they are gone."""

from __future__ import annotations

import time

import psutil

ENGINE = ("reaper", "main", "scheduler", "detokenizer")
_MARKS = {
    "reaper": "reaper.py",
    "scheduler": "sglang::scheduler",
    "detokenizer": "sglang::detokenizer",
}


def named(app: int) -> dict[str, psutil.Process]:
    """``app`` and its engine's processes by name; those that are not there are left out."""
    found = {"app": psutil.Process(app)}
    for process in found["app"].children(recursive=True):
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:
            continue
        name = next((name for name, mark in _MARKS.items() if mark in command), None)
        if name is None and "sglang.launch_server" in command:
            name = "main"
        if name:
            found.setdefault(name, process)
    return found


def below(process: psutil.Process) -> list[psutil.Process]:
    """It and everything it has started."""
    return [process, *process.children(recursive=True)]


def wait_gone(
    processes: list[psutil.Process], began: float, within_s: float
) -> tuple[float, list[str]]:
    """How long it took since ``began``, and what is left after ``within_s`` seconds."""
    while True:
        left = [process for process in processes if _lives(process)]
        passed = time.monotonic() - began
        if not left or passed > within_s:
            return passed, [str(process.pid) for process in left]
        time.sleep(0.02)


def _lives(process: psutil.Process) -> bool:
    """One whose first thread has ended is still there until its others have, too."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return False
        return process.is_running()
    except psutil.Error:
        return False
