"""``run``: opens the page and keeps the engine behind it."""

from __future__ import annotations

from argparse import Namespace

from chatapp.settings import Settings


def main(arguments: Namespace, settings: Settings) -> int:
    from chatapp.ui.app import serve

    return serve(settings) or 0
