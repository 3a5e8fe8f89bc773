"""``train``: hands what follows to the training room, the only one here with torch."""

from __future__ import annotations

from argparse import Namespace

from chatapp.settings import Settings


def main(arguments: Namespace, settings: Settings) -> int:
    from chatapp.training.__main__ import main as train

    return train(arguments.rest) or 0
