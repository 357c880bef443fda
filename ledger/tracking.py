"""The eventsourcing library's tracking on read.tracking: how far each projection has read the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import IntegrityError, ProcessRecorder, Tracking, TrackingRecorder
from psycopg import Connection
from psycopg.rows import TupleRow

from ledger.errors import translated
from ledger.pool import Pool
from ledger.recorder import QUERIES, Appended, LedgerRecorder


class LedgerTrackingRecorder(TrackingRecorder):
    """One position per projection, which only moves forward. `pool` is of a login that may write read.tracking."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def insert_tracking(self, tracking: Tracking) -> None:
        """Move a projection forward. Raises IntegrityError when it stands there or further already."""
        with translated(), self._pool.connection() as connection, connection.transaction():
            move_tracking(connection, tracking)

    def max_tracking_id(self, application_name: str) -> int | None:
        with translated(), self._pool.connection() as connection:
            row = connection.execute(QUERIES["select_tracking"], {"projection": application_name}).fetchone()
        return None if row is None else int(row[0])


class LedgerProcessRecorder(LedgerTrackingRecorder, LedgerRecorder, ProcessRecorder):
    """Appends events and moves a projection in one transaction; the login must be allowed both."""

    _completes = True

    def _complete(
        self, connection: Connection[TupleRow], appended: Sequence[Appended], **kwargs: Any
    ) -> Sequence[int] | None:
        tracking = kwargs.get("tracking")
        if tracking is not None:
            move_tracking(connection, tracking)
        return super()._complete(connection, appended, **kwargs)


def move_tracking(connection: Connection[TupleRow], tracking: Tracking) -> None:
    """Move a projection forward in the caller's transaction. Raises IntegrityError when it is there already."""
    parameters = {"projection": tracking.application_name, "position": tracking.notification_id}
    if connection.execute(QUERIES["move_tracking"], parameters).fetchone() is None:
        raise IntegrityError(f"{tracking.application_name} has passed position {tracking.notification_id} already")
