"""What each API process of this host tells of itself: counted, waiting, lent.

Clients reach whichever process takes their connection, so each leaves its own standing in a file beside the others',
once a second, and whoever is asked for all of them reads those. What must stay true: a file is replaced whole; one of a
process that is gone is not read; and where it cannot be written (a full disk), nothing else suffers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

Standing = dict[str, Any]
_PREFIX: Final = "worker-"


class Standings:
    """`gather` tells how this process stands; it is the one with number `place`, of `workers`."""

    def __init__(self, folder: Path, place: int, workers: int, gather: Callable[[], Standing]) -> None:
        self._folder = folder
        self._place = place
        self._workers = workers
        self._gather = gather

    def publish(self) -> None:
        """Leave our standing for the others, if there are any."""
        if self._workers == 1:
            return
        fresh = self._folder / f".{_PREFIX}{self._place}"
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_bytes(orjson.dumps(self._own()))
            fresh.replace(self._path_of(self._place))

    def all(self) -> list[Standing]:
        """Of every process, in their order: our own as of now."""
        others = [self._read(place) for place in range(1, self._workers + 1) if place != self._place]
        found = [self._own(), *(standing for standing in others if standing is not None)]
        return sorted(found, key=lambda standing: int(standing["worker"]))

    def withdraw(self) -> None:
        """Take our standing away: we end."""
        with suppress(OSError):
            self._path_of(self._place).unlink(missing_ok=True)

    def _own(self) -> Standing:
        return {"worker": self._place, "process": os.getpid(), "told_at": time.time(), **self._gather()}

    def _read(self, place: int) -> Standing | None:
        try:
            standing: Standing = orjson.loads(self._path_of(place).read_bytes())
            os.kill(standing["process"], 0)
        except (OSError, ValueError):
            return None
        return standing

    def _path_of(self, place: int) -> Path:
        return self._folder / f"{_PREFIX}{place}.json"
