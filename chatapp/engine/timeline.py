"""How far the engine's start has come, read from its log line by line. Pure."""

from __future__ import annotations

from chatapp.domain import Phase

_PHASES = ("process", "weights", "draft", "kv_cache", "graphs", "ready")
_WEIGHTS_LOADED = "Load weight end."
_LINES = {
    "process": "server_args=",
    "kv_cache": "KV Cache is allocated.",
    "graphs": "max_total_num_tokens=",
}


class Timeline:
    """``draft`` tells whether the engine has one; without it that phase is left out."""

    def __init__(self, draft: bool) -> None:
        self._at: dict[str, float | None] = {
            name: None for name in _PHASES if draft or name != "draft"
        }

    def read(self, line: str, at: float) -> None:
        """Take a log line that was written ``at`` seconds after the start."""
        if _WEIGHTS_LOADED in line:
            # The target loads first; the draft's line is the second of its kind.
            self.reach("draft" if self._at["weights"] is not None else "weights", at)
        for name, fragment in _LINES.items():
            if fragment in line:
                self.reach(name, at)

    def reach(self, name: str, at: float) -> None:
        """The first time counts."""
        if name in self._at and self._at[name] is None:
            self._at[name] = at

    def reached(self, name: str) -> bool:
        return self._at.get(name) is not None

    def phases(self) -> tuple[Phase, ...]:
        return tuple(Phase(name, at) for name, at in self._at.items())
