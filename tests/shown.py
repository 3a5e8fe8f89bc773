"""What markup gives to a person, seen or heard: words, and parts by role, name and state.

Roles and names as browsers tell them to a screen reader, as far as our pages need it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_ROLES = {
    **{"a": "link", "article": "article", "button": "button", "code": "code", "dd": "definition"},
    **{"dt": "term", "h1": "heading", "h2": "heading", "h3": "heading", "li": "listitem"},
    **{"ol": "list", "option": "option", "section": "region", "summary": "button"},
    **{"td": "cell", "textarea": "textbox", "th": "columnheader", "ul": "list"},
}
_APART = "\0"  # between two elements that a page sets apart
_CLOSE = {"b", "code", "kbd", "i", "u"}  # those that it does not
_STATES = ("pressed", "checked", "current", "busy")
_VOID = {"br", "hr", "input", "link", "meta", "path", "polyline", "line", "rect", "circle"}


@dataclass
class Part:
    """One element that has a role. ``text`` is what stands in it, to the letter; ``says`` its
    words, elements apart; ``name`` its label where it has one, else these."""

    role: str
    label: str = ""
    states: frozenset[str] = frozenset()
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.words).replace(_APART, "")

    @property
    def says(self) -> str:
        return re.sub(rf"[\s{_APART}]+", " ", "".join(self.words)).strip()

    @property
    def name(self) -> str:
        return self.label or self.says


class Shown(HTMLParser):
    """``Shown(html)``: ``says`` is all of its words, ``parts`` what has a role, in order."""

    def __init__(self, html: object) -> None:
        super().__init__()
        self._whole = Part("document")
        self.parts: list[Part] = []
        self._open: list[tuple[str, Part | None, bool]] = []
        self.feed(str(html))

    @property
    def says(self) -> str:
        return self._whole.says

    def all(self, role: str, name: str = "") -> list[Part]:
        """Those of this role whose name has ``name`` in it."""
        return [part for part in self.parts if part.role == role and name in part.name]

    def one(self, role: str, name: str = "") -> Part:
        found = self.all(role, name)
        assert len(found) == 1, (role, name, [part.name for part in self.all(role)])
        return found[0]

    def rows(self) -> dict[str, str]:
        """Each term and what is said of it."""
        terms, values = self.all("term"), self.all("definition")
        return {term.says: value.says for term, value in zip(terms, values, strict=True)}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        role = told.get("role") or _ROLES.get(tag, "")
        hidden = told.get("aria-hidden") == "true" or tag in ("script", "style")
        part = None
        if role and not any(hidden for *_, hidden in self._open):
            label = told.get("aria-label") or told.get("title", "")
            states = {name for name in _STATES if told.get(f"aria-{name}", "false") != "false"}
            states |= {"disabled"} & told.keys()
            part = Part(role, label, frozenset(states))
            self.parts.append(part)
        if tag not in _VOID:
            self._open.append((tag, part, hidden))

    def handle_endtag(self, tag: str) -> None:
        if tag in (name for name, *_ in self._open):
            while self._open.pop()[0] != tag:
                pass
        self._write("" if tag in _CLOSE else _APART)

    def handle_data(self, data: str) -> None:
        self._write(data)

    def _write(self, words: str) -> None:
        if not any(hidden for *_, hidden in self._open):
            for part in [self._whole, *(part for _, part, _ in self._open if part)]:
                part.words.append(words)
