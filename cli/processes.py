"""What our long-running processes have in common: how many files they open, how they collect garbage."""

from __future__ import annotations

import gc
import resource
from contextlib import suppress


def allow_many_files() -> None:
    """Let this process open as many files as it may: a connection is one, and the usual soft limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where "no limit" is refused as a number, the soft one stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle_memory() -> None:
    """Call once everything is imported and made: what lives now lives on, so it is not looked through again.

    How rarely the rest is looked through is said in cli/__init__.py.
    """
    gc.collect()
    gc.freeze()
