"""What our long-running processes have in common: how many files they open, how they collect garbage."""

from __future__ import annotations

import gc
import resource
from contextlib import suppress

_YOUNG_OBJECTS = 50_000
_GENERATIONS = (20, 100)


def allow_many_files() -> None:
    """Let this process open as many files as it may: a connection is one, and the usual soft limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where "no limit" is refused as a number, the soft one stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def settle_memory() -> None:
    """Call once everything is imported and made: what lives now lives on, so it is not looked through again.

    A batch makes thousands of objects that are no garbage; with the default thresholds, looking for cycles among
    them took a quarter of the writer's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *_GENERATIONS)
