"""Where packages come from here, and whether that place answers."""

from __future__ import annotations

import re
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_PYPI = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True)
class Sources:
    """What pip's configuration says: the index, and whether there are other places."""

    index: str
    others: bool

    @property
    def host(self) -> str:
        return urlsplit(self.index).hostname or self.index


def sources(python: Path) -> Sources:
    """Asks pip, which knows its files and its environment variables."""
    command = [str(python), "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    values = dict(re.findall(r"^\S*?\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    others = any(values.get(name) for name in ("extra-index-url", "find-links", "no-index"))
    return Sources(values.get("index-url") or _PYPI, others)


def answers(url: str, timeout_s: float = 8.0) -> bool:
    """Whether a web server answers there, through the proxies of the environment."""
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.build_opener().open(request, timeout=timeout_s):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
