"""How far the engine's start has come, read from its log line by line. Pure."""

from __future__ import annotations

from chatapp.domain import Phase

_PHASES = ("process", "weights", "draft", "kv_cache", "graphs", "ready")
_WEIGHTS_LOADED = "Load weight end."
_LISTENING = "Uvicorn running on"
_LINES = {
    "process": "server_args=",
    "kv_cache": "KV Cache is allocated.",
    "graphs": "max_total_num_tokens=",
}


class Timeline:
    """``draft`` tells whether the engine has one; without it that phase is left out.
    ``listening``: the engine's port is its own; before, somebody else may answer there."""

    def __init__(self, draft: bool) -> None:
        self._at: dict[str, float | None] = {
            name: None for name in _PHASES if draft or name != "draft"
        }
        self.listening = False

    def read(self, line: str, at: float) -> None:
        """Take a log line that was written ``at`` seconds after the start."""
        if _WEIGHTS_LOADED in line:
            # The target loads first; the draft's line is the second of its kind.
            self.reach("draft" if self._at["weights"] is not None else "weights", at)
        self.listening = self.listening or _LISTENING in line
        for name, fragment in _LINES.items():
            if fragment in line:
                self.reach(name, at)

    def reach(self, name: str, at: float) -> None:
        """The first time counts."""
        if name in self._at and self._at[name] is None:
            self._at[name] = at

    def phases(self) -> tuple[Phase, ...]:
        return tuple(Phase(name, at) for name, at in self._at.items())
