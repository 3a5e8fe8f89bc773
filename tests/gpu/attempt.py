"""What fails is a row that says so, and takes nothing of the rest with it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

from chatapp.errors import ProductError
from tests.gpu.row import Row

LOG_LINES, LOG_WIDTH = 40, 300


async def attempt(what: str, rows: AsyncGenerator[Row]) -> AsyncIterator[Row]:
    """The rows as they come; in place of those that an error cost, one named ``what``."""
    try:
        async with aclosing(rows):
            async for row in rows:
                yield row
    except Exception as error:  # whatever it is, the next line must have its turn
        if not isinstance(error, ProductError):
            traceback.print_exception(error)
        yield Row(what, f"not measured: {reason(error)}")


def reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def show_end(log: Path) -> None:
    """The end of an engine's log, on standard error."""
    try:
        whole = log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:]
        # SGLang writes all its arguments into one line, the key among them.
        lines = [line[:LOG_WIDTH] for line in whole]
    except OSError as error:
        lines = [str(error)]
    print("\n".join([f"--- the end of {log.name}", *lines, "---"]), file=sys.stderr, flush=True)
