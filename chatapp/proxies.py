"""The proxies of the environment, as every client library here understands them.

Their variables are written in many ways, and httpx, requests, urllib and pip each stumble
over others of them, some at import. So they are read once and written anew: with a scheme,
in both cases, one for each kind of address, loopback always left out.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from chatapp.texts import Texts

SCHEMES = ("http", "https", "socks5", "socks5h")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_KINDS = ("http_proxy", "https_proxy", "all_proxy")
# A name is looked up by the proxy: httpx knows no other way, and where hubs are slow the
# answers of the own network are often wrong. Desktops write ``socks`` for version 5.
_SAME = {"socks": "socks5h", "socks5": "socks5h"}
_PLAIN = re.compile(r"[A-Za-z0-9_.*:/-]+")


def settle(texts: Texts) -> None:
    """Writes those of this process anew; says which of them are left aside."""
    if names := left_aside(os.environ):
        print(texts("proxies.left_aside", names=", ".join(names)), file=sys.stderr, flush=True)
    anew = settled(os.environ)
    for name in os.environ.keys() - anew.keys():
        del os.environ[name]
    os.environ.update(anew)


def settled(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` with its proxies and what shall go past them written anew; without
    any it stays as it is."""
    kept = {name: value for name, value in environment.items() if name.lower() not in _KINDS}
    given = {kind: _proxy(value) for kind, value in _given(environment).items()}
    usable = {kind: proxy for kind, proxy in given.items() if proxy}
    listed = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if not (usable or listed):
        return kept
    for kind in _KINDS:
        if proxy := usable.get(kind) or usable.get("all_proxy"):
            kept[kind] = kept[kind.upper()] = proxy
    hosts = [host for entry in listed.split(",") if (host := _host(entry.strip()))]
    hosts += [host for host in LOOPBACK if host not in hosts]
    kept["no_proxy"] = kept["NO_PROXY"] = ",".join(hosts)
    return kept


def left_aside(environment: Mapping[str, str]) -> list[str]:
    """The variables whose value is no proxy that can be used."""
    return [kind.upper() for kind, value in _given(environment).items() if not _proxy(value)]


def _given(environment: Mapping[str, str]) -> dict[str, str]:
    """Lower case first, as in curl, urllib, httpx and requests."""
    values = {kind: environment.get(kind) or environment.get(kind.upper()) for kind in _KINDS}
    return {kind: value.strip() for kind, value in values.items() if value and value.strip()}


def _proxy(value: str) -> str | None:
    scheme, found, rest = value.rpartition("://")
    scheme = scheme.lower() if found else "http"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        usable = (
            bool(parts.hostname) and parts.port != 0 and value.isascii() and value.isprintable()
        )
    except ValueError:
        return None
    scheme = _SAME.get(scheme, scheme)
    if not usable or scheme not in SCHEMES or any(letter.isspace() for letter in value):
        return None
    return f"{scheme}://{parts.netloc}"


def _host(entry: str) -> str | None:
    """An entry of ``no_proxy`` without the brackets of IPv6; None for what httpx dies of."""
    bare = entry.removeprefix("[").partition("]")[0] if entry.startswith("[") else entry
    if not _PLAIN.fullmatch(bare):
        return None
    if bare.count(":") > 1:
        return bare if _is_ipv6(bare) else None
    _, colon, port = bare.partition(":")
    return None if colon and not port.isdigit() else bare


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
