"""Which Linux this is, and the one command that installs what pip cannot bring.

Only the name of the distribution decides, as ``/etc/os-release`` gives it, and the names
of those that it is derived from.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")


@dataclass(frozen=True, slots=True)
class Packages:
    """How a family of distributions installs and what it calls things.

    ``headers`` is for a Python such as 3.12, with ``{version}`` and ``{digits}`` (312) in
    it; ``other_compiler`` is for a system whose g++ does not fit, with the major version
    of one that does as ``{gcc}``.
    """

    install: str
    compiler: str
    other_compiler: str
    headers: str


_FAMILIES = {
    "debian": Packages(
        "apt-get update && {sudo}apt-get install -y", "g++", "g++-{gcc}", "python{version}-dev"
    ),
    "fedora": Packages(
        "dnf install -y", "gcc-c++", "gcc{gcc}-c++", "python{version}-devel"
    ),
    "arch": Packages("pacman -S --needed", "base-devel", "gcc{gcc}", "python"),
    "suse": Packages("zypper install -y", "gcc-c++", "gcc{gcc}-c++", "python{digits}-devel"),
}  # fmt: skip
_NAMES = {
    "ubuntu": "debian",
    "rhel": "fedora",
    "centos": "fedora",
    "amzn": "fedora",
    "opensuse": "suse",
    "sles": "suse",
}


def install_command(needs: Collection[str], python: str, gcc: int) -> str | None:
    """The command that brings ``needs``: of ``compiler``, ``other_compiler`` (g++ of the
    major version ``gcc``) and ``headers`` (of ``python``, such as 3.12). None on a
    distribution whose names are not known."""
    family = _family()
    if family is None:
        return None
    words = {"version": python, "digits": python.replace(".", ""), "gcc": gcc}
    packages = [getattr(family, need).format(**words) for need in needs]
    sudo = "sudo " if os.geteuid() else ""
    return f"{sudo}{family.install.format(sudo=sudo)} {' '.join(packages)}"


def _family() -> Packages | None:
    for name in _names(OS_RELEASE):
        name = name.partition("-")[0]  # opensuse-leap, opensuse-tumbleweed
        if found := _FAMILIES.get(_NAMES.get(name, name)):
            return found
    return None


def _names(release: Path) -> list[str]:
    """ID and then ID_LIKE of os-release, in that order."""
    try:
        lines = release.read_text("utf-8").splitlines()
    except OSError:
        return []
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return [
        word.lower()
        for key in ("ID", "ID_LIKE")
        for word in " ".join(shlex.split(values.get(key, ""))).split()
    ]
