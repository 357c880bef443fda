"""The line between the parent and a child process: the child ends with its parent, and tells it once it is up.

The child's end of the line is its standard input, a socket. The parent holds the other end and never writes to it. The
kernel closes it when the parent is gone, on every system and however the parent ended, and no other process can hold it
open: it is not inherited by anybody.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

_DRAIN_SECONDS = 30.0
_UP = b"u"


class Lifeline:
    """The parent's end. Hand `theirs` to the child as its standard input, then call `handed_over`."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._has_told = False

    def handed_over(self) -> None:
        self.theirs.close()

    def child_is_up(self) -> bool:
        """Whether the child has said that it is up."""
        if not self._has_told:
            with suppress(OSError):  # nothing said yet, or nobody there any more
                self._has_told = self._ours.recv(1) == _UP
        return self._has_told

    def close(self) -> None:
        """Let go: a child that still lives ends."""
        self.theirs.close()
        self._ours.close()


def end_with_parent() -> None:
    """Watch the parent from now on: when it is gone, end as upon SIGTERM, or at once if that takes too long."""
    threading.Thread(target=_watch, name="watch-parent", daemon=True).start()


def tell_parent_we_are_up() -> None:
    """Say that what could be wrong with a start was not."""
    with suppress(OSError):  # the parent is gone; the watch will end us
        os.write(sys.stdin.fileno(), _UP)


def _watch() -> None:
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_DRAIN_SECONDS)
    os._exit(1)
