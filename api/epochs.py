"""Positions as clients name them: of which epoch of the log they are.

A log that was cut off goes on as another history (ledger/epochs.py), in which a position is another event. So what a
client was told in an epoch is good for as long as the log still is what it was told of: up to the fork, and beyond it
only in that epoch. A plain number is of the first epoch, in which all are as long as nothing was ever restored; of a
later one a position is written `epoch:position`. What was told beyond a fork is answered 409 `history-forked`.
"""

from __future__ import annotations

import time
from typing import Any, Final

import structlog
from fastapi import Request
from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from api.errors import Problem
from domain.errors import FieldError
from ledger.epochs import FIRST_EPOCH, ONLY_ONE, OWN, QUERIES, Epochs, epochs_in
from ledger.errors import EpochsUnreadable

_LOG: Final = structlog.get_logger("api.epochs")
_LOOK_SECONDS: Final = 60.0
_SCOPE: Final = "dossier.epochs"


class KnownEpochs:
    """What this process knows of the log's epochs, looked up once a minute; used by one thread."""

    def __init__(self, readers: AsyncConnectionPool[AsyncConnection[Any]], wait_seconds: float) -> None:
        self._readers = readers
        self._wait_seconds = wait_seconds
        self._known: Epochs | None = None
        self._until = 0.0

    @property
    def fresh(self) -> Epochs | None:
        """What is known, unless it is to be looked up."""
        return self._known if time.monotonic() < self._until else None

    async def look(self) -> Epochs:
        """Look up; where that fails, what was known before. Raises OperationalError, PoolTimeout, TooManyRequests."""
        self._until = time.monotonic() + _LOOK_SECONDS  # meanwhile others go on with what was known
        try:
            async with self._readers.connection(self._wait_seconds) as connection:
                cursor = await connection.cursor(binary=True).execute(QUERIES["entries"], OWN)
                self._known = epochs_in(await cursor.fetchall())
        except (OperationalError, PoolTimeout, TooManyRequests):
            if self._known is None:
                raise
        except EpochsUnreadable as error:
            _LOG.critical("what the log says about its epochs makes no sense; see `dossier verify`", error=str(error))
            self._known = self._known or ONLY_ONE
        return self._known


async def know_epochs(request: Request, known: KnownEpochs) -> None:
    """Have the epochs at hand for the rest of the request."""
    request.scope[_SCOPE] = known.fresh or await known.look()


def epochs_of(request: Request) -> Epochs:
    epochs: Epochs = request.scope[_SCOPE]
    return epochs


def written_position(request: Request, position: int) -> int | str:
    """A position as it is to be given out: a number where it is the same event in every epoch so far."""
    epochs = epochs_of(request)
    first_fork = epochs.shared_up_to(FIRST_EPOCH)
    return position if first_fork is None or position <= first_fork else f"{epochs.current}:{position}"


def read_position(request: Request, name: str, written: int | str) -> int:
    """The position that a client names. Raises Problem 409 for one from beyond a fork, ValueError for what is none."""
    epoch, separator, number = str(written).rpartition(":")
    if bool(separator) != bool(epoch) or not number.isascii() or not number.isdecimal():
        raise ValueError("no position")
    require_shared(request, name, epoch or FIRST_EPOCH, int(number))
    return int(number)


def require_shared(request: Request, name: str, epoch: str, position: int | None) -> None:
    """Refuse what was told in an epoch about a position that is another event now; None: one that is gone.

    Raises Problem 409.
    """
    epochs = epochs_of(request)
    try:
        fork = epochs.shared_up_to(epoch)
    except KeyError:
        raise _forked(epochs, name, "of a history that this log does not know") from None
    if fork is not None and (position is None or position > fork):
        told = f"of epoch {epoch}, from beyond position {fork}, where the log was cut off"
        raise _forked(epochs, name, told, last_common_position=fork)


def _forked(epochs: Epochs, name: str, told: str, **extra: int) -> Problem:
    return Problem(
        "history-forked",
        409,
        "That was told in another history",
        f"{name} is {told}; the log goes on as epoch {epochs.current}",
        FieldError(name, "lies beyond the fork of the history; ask anew"),
        epoch=epochs.current,
        **extra,
    )
