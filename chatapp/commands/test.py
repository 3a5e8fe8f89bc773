"""``test``: passes the gates of ``check``, gets a browser for the tests, then becomes pytest.

All tests run in two workers side by side: an engine keeps one core busy, and the other has the
rest of them meanwhile. Where only some are asked for, by a path or ``-k NAME``, one worker has
them and nothing stops at the gates.
The test tools themselves were installed by the launcher. Where no browser can be had
it ends with 1 and says so: a suite without its browser tests has not passed.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from chatapp import locations
from chatapp.commands import browser, check
from chatapp.errors import ProductError
from chatapp.settings import Settings
from chatapp.texts import Texts, system_language

# tests/conftest.py says which tests share an engine, and so a worker.
_SIDE_BY_SIDE = ("-n", "2", "--dist", "loadscope", "--no-loadscope-reorder")


def main(arguments: Namespace, settings: Settings) -> int:
    texts = Texts(system_language())
    everything = _asks_for_all(arguments.rest)
    if everything and not check.passes(texts, _say):
        _say(texts("test.stopped"))
        return 1
    try:
        found = browser.find_or_get(lambda key: _say(texts(f"test.{key}")))
    except ProductError as error:
        _say(error.words(texts))
        return 1
    if not browser.get_chinese_font():
        _say(texts("test.no_font"))
        return 1
    _say(texts("test.browser", path=found))
    os.chdir(locations.project())
    environment = {**os.environ, "EAGLECHAT_BROWSER": str(found)}
    workers = _SIDE_BY_SIDE if everything else ()
    command = [sys.executable, "-m", "pytest", *workers, *arguments.rest]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)


def _asks_for_all(words: Sequence[str]) -> bool:
    """Whether nothing but flags is handed to pytest."""
    return all(word.startswith("-") for word in words)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
