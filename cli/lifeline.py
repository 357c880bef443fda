"""Makes a child process end with its parent, on every system and however the parent ended.

The parent holds the other end of the child's standard input and never writes to it. The kernel closes it when the
parent is gone, and no other process can hold it open: it is not inherited by anybody.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

_DRAIN_SECONDS = 30.0


def end_with_parent() -> None:
    """Watch the parent from now on: when it is gone, end as upon SIGTERM, or at once if that takes too long."""
    threading.Thread(target=_watch, name="watch-parent", daemon=True).start()


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_DRAIN_SECONDS)
    os._exit(1)
