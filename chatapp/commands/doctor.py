"""``doctor``: looks at everything that the app needs and says what to do about it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from chatapp.commands import checkup
from chatapp.commands.json_output import print_json
from chatapp.errors import ProductError
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``fix`` is empty when it is right."""

    name: str
    ok: bool
    detail: str
    fix: str


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())
    if arguments.json:
        checks = list(examine(settings, texts))
        ok = all(check.ok for check in checks)
        report = {"ok": ok, "checks": [asdict(check) for check in checks]}
        print_json(report)
    else:
        ok = all([_show(check, texts) for check in examine(settings, texts)])
        print(texts("doctor.good" if ok else "doctor.bad"))
    return 0 if ok else 1


def examine(settings: Settings, texts: Texts) -> Iterator[Check]:
    for name, look in checkup.CHECKS.items():
        yield checked(name, look, settings, texts)


def checked(
    name: str, look: Callable[[Settings], checkup.CheckupFinding], settings: Settings, texts: Texts
) -> Check:
    """A check that fails unforeseen is a finding as well, never the end of the others."""
    try:
        found = look(settings)
    except ProductError as error:
        what, why, cure = (
            texts(f"errors.{error.key}.{part}", **error.values) for part in ("what", "why", "cure")
        )
        return Check(name, False, f"{what} {why}", cure)
    except Exception as error:  # noqa: BLE001
        detail = f"{type(error).__name__}: {error}"
        return Check(name, False, detail, texts("doctor.fixes.unforeseen"))
    detail = texts(f"doctor.details.{found.key}", **found.values)
    fix = "" if found.ok else texts(f"doctor.fixes.{found.key}", **found.values)
    return Check(name, found.ok, detail, fix)


def _show(check: Check, texts: Texts) -> bool:
    print(f"{'✓' if check.ok else '✗'} {texts(f'doctor.names.{check.name}')}: {check.detail}")
    if check.fix:
        print(f"  → {check.fix}")
    sys.stdout.flush()
    return check.ok
