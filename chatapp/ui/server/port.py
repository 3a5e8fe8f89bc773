"""The page's port. Bound before anything heavy is imported, so that a browser that is
opened at once finds somebody there and waits."""

from __future__ import annotations

import errno
import socket

DEFAULT = 7860
_TRIES = 100


def listen(port: int | None) -> socket.socket:
    """A listening socket on the loopback: at ``port`` or the default, else at the next free
    one. Raises OSError when there is none."""
    first = port or DEFAULT
    for candidate in range(first, min(first + _TRIES, 65536)):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", candidate))
            listening.listen(128)
            return listening
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
    raise OSError(errno.EADDRINUSE, f"no free port from {first} on")


def address(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}/"
