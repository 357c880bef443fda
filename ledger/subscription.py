"""Following the log: sealed events as an iterator that waits for more.

The sealer's notification wakes it; it also looks by itself, so a notification that was lost costs a moment and no
event. When the database is lost the iteration ends in the error: the reader knows its position and may come again.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Thread
from typing import Final

import psycopg
from eventsourcing.persistence import ApplicationRecorder, ListenNotifySubscription

from ledger.errors import translated
from ledger.pool import Pool, conninfo_of

_LOOK_SECONDS: Final = 0.2


class LogSubscription(ListenNotifySubscription[ApplicationRecorder]):
    """Notifications after a position, for ever, until `stop`. Use it as a context manager."""

    def __init__(
        self, recorder: ApplicationRecorder, pool: Pool, gt: int | None = None, topics: Sequence[str] = ()
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._pool = pool
        self._listen_thread = Thread(target=self._listen, name="log-listener", daemon=True)
        self._listen_thread.start()

    def __exit__(self, *args: object, **kwargs: object) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listen_thread.join()

    def _listen(self) -> None:
        try:
            with translated(), psycopg.connect(conninfo_of(self._pool), autocommit=True) as connection:
                connection.execute("LISTEN dossier_sealed")
                while not self._has_been_stopped:
                    for _ in connection.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                        pass
                    self._has_been_notified.set()
        except Exception as error:  # noqa: BLE001 - it is raised where the iteration stands
            self._thread_error = self._thread_error or error
            self.stop()
