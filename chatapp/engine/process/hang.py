"""Whether an engine hangs: it ought to write, nothing comes, and it does no work.

Silence alone proves nothing. A long prompt on a slow machine, a kernel that is compiled in
the middle, other clients' requests ahead of ours: all of them take processor time, or
write their batches into the log. An engine that waits for something that will not come
does neither. (One that works on and gets nowhere is ended by SGLang's own watchdog.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psutil

from chatapp.engine.activity import Activity

# Longer than any pause of a machine under load that was seen, short enough to wait for.
HANG_S = 30.0
# Of the silence, the part over which the processor time is measured, and the share of one
# core below which nothing is being worked on: status requests and metrics take less.
_MEASURED = 0.5
_IDLE_SHARE = 0.05
_WORKING = (" batch",)  # "Prefill batch, …" and "Decode batch, …", one line for many steps


class HangWatch:
    """Asked over and over. ``worked_s`` gives the processor time of all the engine's
    processes so far; it is only looked at in a long silence."""

    def __init__(
        self, activity: Activity, worked_s: Callable[[], float], hang_s: float = HANG_S
    ) -> None:
        self._activity, self._worked_s, self._hang_s = activity, worked_s, hang_s
        self._before: tuple[float, float] | None = None

    def read(self, lines: Sequence[str]) -> None:
        """New lines of its log."""
        if any(sign in line for line in lines for sign in _WORKING):
            self._activity.sign()

    def hangs(self) -> bool:
        silent = self._activity.silent_s()
        if silent < self._hang_s * (1 - _MEASURED):
            self._before = None
            return False
        now = (silent, self._worked_s())
        if self._before is None or silent < self._before[0]:
            self._before = now
        measured, worked = now[0] - self._before[0], now[1] - self._before[1]
        if silent < self._hang_s or measured < self._hang_s * _MEASURED / 2:
            return False
        if worked < _IDLE_SHARE * measured:
            return True
        self._before = now  # it works; measured anew from here
        return False


def worked_s(main: int) -> float:
    """Processor time, in seconds, of this process and all below it, ended ones included."""
    total = 0.0
    try:
        process = psutil.Process(main)
        for one in (process, *process.children(recursive=True)):
            try:
                times = one.cpu_times()
            except psutil.Error:
                continue
            total += sum(times[:4])
    except psutil.Error:
        pass
    return total
