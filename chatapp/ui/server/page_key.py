"""The key of the page: whoever has it comes in, others of the same machine do not.

A browser is started with an address, and everybody sees what stands in a command line. So
that address holds a ticket, which is made of the key, good for one visit within a minute.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

from chatapp import locations
from chatapp.errors import UsageError
from chatapp.settings import Settings

KEY, TICKET = "key", "ticket"  # in the address
TICKET_S = 60


class PageKey:
    """``value`` is the key itself; ``shown``: it may stand in the terminal, as one of our own
    does and a password does not."""

    def __init__(self, value: str, shown: bool) -> None:
        self.value, self.shown = value, shown
        self._used: set[str] = set()

    @property
    def cookie(self) -> str:
        """What a browser keeps in the key's place."""
        return self._sign("cookie")

    def ticket(self) -> str:
        made = f"{time.time():.6f}"
        return f"{made}-{self._sign(made)}"

    def takes(self, ticket: str) -> bool:
        """Whether this is a ticket of ours, still good; after that it is used."""
        made, _, signature = ticket.partition("-")
        if ticket in self._used or not same(signature, self._sign(made)):
            return False
        self._used.add(ticket)
        return time.time() - float(made) < TICKET_S

    def _sign(self, text: str) -> str:
        return hmac.new(self.value.encode(), text.encode(), hashlib.sha256).hexdigest()


def page_key(settings: Settings) -> PageKey:
    """That of ``--password-file``, else one of our own, which stays the same from start to
    start, so that a page that is open goes on. Raises UsageError."""
    if settings.password_file is not None:
        return PageKey(_chosen(settings.password_file), shown=False)
    return PageKey(_own(locations.page_key(settings.data_dir)), shown=True)


def same(one: str, other: str) -> bool:
    """Compared in the same time whatever differs."""
    return hmac.compare_digest(one.encode(), other.encode())


def _chosen(path: Path) -> str:
    try:
        key = path.expanduser().read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError("password_file", path=path, reason=error) from error
    if not key:
        raise UsageError("password_file_empty", path=path)
    return key


def _own(path: Path) -> str:
    try:
        if kept := path.read_text("utf-8").strip():
            return kept
    except (OSError, ValueError):
        pass
    made = secrets.token_urlsafe(24)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(made)
    return made
