"""Whether an engine that broke is started again by itself. Pure: the clock is the caller's.

Once it is; one that breaks again before it has run for a minute would only go on so, and
what may help is then for a person to choose.
"""

from __future__ import annotations

WITHIN_S = 60.0


class Recovery:
    """Told what happens to one engine over the app's life, times in seconds."""

    def __init__(self) -> None:
        self._ready_at: float | None = None
        self._by_itself = False

    def asked(self) -> None:
        """A person starts it: it may again be started by itself afterwards."""
        self._ready_at, self._by_itself = None, False

    def ready(self, at: float) -> None:
        if self._ready_at is None:
            self._ready_at = at

    def comes_back(self, at: float) -> bool:
        """Whether one that breaks now is started again. Never where it did not become ready:
        what kept it from that would do so again. The minute counts from when it was ready,
        since a start alone may take longer."""
        if self._ready_at is None:
            return False
        return not (self._by_itself and at - self._ready_at < WITHIN_S)

    def broke(self, at: float) -> bool:
        """Whether to start it again now."""
        self._by_itself = self.comes_back(at)
        self._ready_at = None
        return self._by_itself
