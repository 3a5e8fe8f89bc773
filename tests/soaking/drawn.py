"""What a reader makes of a pane: its replies, as letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset({"br", "hr", "img", "input", "wbr"})


@dataclass
class Drawn:
    """One reply: how it stands (``failed``, say), and its letters and digits, since marks
    may go as Markdown that is not yet complete."""

    state: str
    letters: str = ""


def replies(markup: str) -> list[Drawn]:
    parser = _Replies()
    parser.feed(markup)
    return parser.found


def letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@dataclass
class _Replies(HTMLParser):
    found: list[Drawn] = field(default_factory=list)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        classes = (dict(attributes).get("class") or "").split()
        if "ec-reply" in classes:
            state = next((name[3:] for name in classes if name.startswith("is-")), "")
            self.found.append(Drawn(state))
        if tag not in _VOID:
            inside = "ec-md" in classes or self.open[-1:] == ["text"]
            self.open.append("text" if inside and tag != "button" else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID and self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["text"] and self.found:
            self.found[-1].letters += letters(data)
