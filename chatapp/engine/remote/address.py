"""Where an engine of somebody else is, and the key that it wants.

A key comes from the environment or a file, never from the command line, where others could
read it. What is typed on the page is kept beside the data, for this person's eyes alone, and
goes to the address that it was typed for and to no other.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from chatapp import locations
from chatapp.errors import UsageError
from chatapp.settings import Settings

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Address:
    """``url`` such as ``https://host:30000``, without a slash at its end."""

    url: str
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """``host:30000``, as it is shown."""
        return urlsplit(self.url).netloc

    @property
    def here(self) -> bool:
        """Whether requests stay on this machine."""
        return urlsplit(self.url).hostname in _LOOPBACK

    @property
    def secure(self) -> bool:
        """Whether nobody on the way can read what is written, or the key."""
        return self.here or self.url.startswith("https:")


def address_of(settings: Settings) -> Address | None:
    """None: the engine is one of our own. Raises UsageError when the key cannot be read."""
    if settings.engine_url is None:
        return None
    return Address(settings.engine_url, _key(settings, settings.engine_url))


def _key(settings: Settings, url: str) -> str:
    if settings.engine_key is not None:
        return settings.engine_key.get_secret_value().strip()
    if settings.engine_key_file is not None:
        return _read(settings.engine_key_file)
    return kept_key(settings.data_dir, url)


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError("engine_key_file", path=path, reason=error) from error


def kept_key(data_dir: Path, url: str) -> str:
    """The key that was kept for this address; empty when there is none."""
    try:
        kept = json.loads(locations.engine_key(data_dir).read_text("utf-8"))
        return str(kept["key"]) if kept["url"] == url else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def keep_key(data_dir: Path, url: str, key: str) -> None:
    """In a file that only this person can read. Without a key nothing is kept."""
    path = locations.engine_key(data_dir)
    path.unlink(missing_ok=True)
    if key:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"url": url, "key": key}, file)
