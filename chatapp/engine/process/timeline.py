"""How far the engine's start has come, read from its log line by line. Pure."""

from __future__ import annotations

import re

from chatapp.domain import Phase, PhaseProgress
from chatapp.kernels.first import READY

_PHASES = ("kernels", "process", "weights", "draft", "kv_cache", "graphs", "ready")
_WEIGHTS_LOADED = "Load weight end."
_KERNELS = re.compile(r"EagleChat: (\d+) of (\d+) kernel modules, (\d+|\?) s left")
_LISTENING = "Uvicorn running on"
_LINES = {
    "kernels": READY,
    "process": "server_args=",
    "kv_cache": "KV Cache is allocated.",
    "graphs": "max_total_num_tokens=",
}


class Timeline:
    """``draft`` and ``kernels`` tell whether the engine has the one and needs the others
    built; without them those phases are left out.
    ``listening``: the engine's port is its own; before, somebody else may answer there."""

    def __init__(self, draft: bool, kernels: bool) -> None:
        left_out = {"draft": not draft, "kernels": not kernels}
        self._at: dict[str, float | None] = {
            name: None for name in _PHASES if not left_out.get(name)
        }
        self._progress: tuple[str, PhaseProgress | None] = ("", None)
        self.listening = False

    def read(self, line: str, at: float) -> None:
        """Take a log line that was written ``at`` seconds after the start."""
        if _WEIGHTS_LOADED in line:
            # The target loads first; the draft's line is the second of its kind.
            self.reach("draft" if self._at["weights"] is not None else "weights", at)
        if built := _KERNELS.search(line):
            self.advance("kernels", _modules(*built.groups()))
        self.listening = self.listening or _LISTENING in line
        for name, fragment in _LINES.items():
            if fragment in line:
                self.reach(name, at)

    def reach(self, name: str, at: float) -> None:
        """The first time counts."""
        if name in self._at and self._at[name] is None:
            self._at[name] = at

    def advance(self, name: str, progress: PhaseProgress | None) -> None:
        """So far is phase ``name`` while it lasts; None: that cannot be told."""
        self._progress = (name, progress)

    @property
    def current(self) -> str | None:
        """The phase that comes next or is under way; None once all are reached."""
        return next((name for name, at in self._at.items() if at is None), None)

    def phases(self) -> tuple[Phase, ...]:
        of, progress = self._progress
        under_way = self.current
        return tuple(
            Phase(name, at, progress if name == of == under_way else None)
            for name, at in self._at.items()
        )


def _modules(done: str, total: str, left: str) -> PhaseProgress | None:
    """None until it is known how many there are."""
    seconds = float(left) if left.isdigit() else None
    return PhaseProgress(int(done), int(total), "modules", seconds) if total != "0" else None
