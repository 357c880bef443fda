"""How many connections to the database the service may open, and that the database takes as many.

Asked at the start: a server that is too small would otherwise show only under load, as errors that come and go.
"""

from __future__ import annotations

from typing import Final

from api.connections import PER_WORKER
from cli.errors import CliError
from db.connection_limit import connection_limit

LOG_READERS: Final = 2
"""Connections through which the follower reads the log; sealer, signer, runner and scrubber have one each besides."""

ERASER: Final = 1
"""The eraser's connection."""

_FOLLOWER: Final = LOG_READERS + ERASER + 4
_SPARE: Final = 50
"""For verbs, psql, and what the server has not yet noticed to be dead."""
_FEWEST: Final = 100


def embedded_settings(workers: int) -> dict[str, str]:
    """The settings of an embedded server for so many workers."""
    return {"max_connections": str(max(_needed(workers) + _SPARE, _FEWEST))}


def require_connections(conninfo: str, workers: int) -> None:
    """Raises CliError when the database takes fewer connections than the service may open."""
    limit = connection_limit(conninfo)
    if limit < _needed(workers):
        fitting = (limit - _FOLLOWER) // PER_WORKER
        instead = f"start at most {fitting} workers, or raise" if fitting > 0 else "raise"
        raise CliError(
            f"{workers} workers may open {_needed(workers)} connections, and the database takes {limit} of this login; "
            f"{instead} its max_connections (or the limit of the login or the database)"
        )


def _needed(workers: int) -> int:
    return workers * PER_WORKER + _FOLLOWER
