"""The rows of the report, and the one table that they make. Pure."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "| measured | value |\n|---|---|"


@dataclass(frozen=True, slots=True)
class Row:
    """``simulated``: the acceptance is made up, so this says what the engine can do."""

    what: str
    value: str
    simulated: bool = False

    def line(self) -> str:
        """As a line of a Markdown table, whatever stands in it."""
        mark = " (simulated acceptance)" if self.simulated else ""
        return f"| {_cell(self.what + mark)} | {_cell(self.value)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
