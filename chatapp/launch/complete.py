"""Whether an installed set is whole: every pinned package there, in its version.

Runs inside ``.venv`` (``python -m chatapp.launch.complete cpu``), after an install
and from ``doctor``; ``packaging`` is there, being one of the pins.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

from chatapp.host.stamp import requirement_files


def missing(name: str) -> list[str]:
    """What the set asks for and is not installed as it says."""
    wanted = [Requirement(line) for line in pins(name)]
    return [str(pin) for pin in wanted if _applies(pin) and not _installed(pin)]


def pins(name: str) -> list[str]:
    lines = (line for path in requirement_files(name) for line in path.read_text().splitlines())
    return [line for line in lines if line.strip() and not line.startswith(("#", "-r "))]


def _applies(pin: Requirement) -> bool:
    return pin.marker is None or pin.marker.evaluate()


def _installed(pin: Requirement) -> bool:
    try:
        return pin.specifier.contains(version(pin.name), prereleases=True)
    except PackageNotFoundError:
        return False


if __name__ == "__main__":
    absent = [pin for name in sys.argv[1:] for pin in missing(name)]
    sys.stdout.write("\n".join(absent))
    sys.exit(1 if absent else 0)
