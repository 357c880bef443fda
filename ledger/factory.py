"""The eventsourcing library's way to construct what it needs, on our tables.

Configured by the environment of an application: LEDGER_URL (conninfo), LEDGER_ROLE (empty: the login itself),
LEDGER_POOL_SIZE, and the library's own *_RECORDER_TOPIC.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final, TypeVar

from eventsourcing.persistence import (
    InfrastructureFactory,
    InfrastructureFactoryError,
    NotSupportedError,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from db.pool import role_conninfo
from ledger.pool import Pool
from ledger.recorder import LedgerRecorder
from ledger.tracking import LedgerProcessRecorder, LedgerTrackingRecorder

_POOL_SIZE: Final = 10

Recorder = TypeVar("Recorder", bound=LedgerRecorder | LedgerTrackingRecorder)


class LedgerFactory(InfrastructureFactory[LedgerTrackingRecorder]):
    """Makes recorders on one pool: a given one, or one of its own, which `close` closes."""

    LEDGER_URL = "LEDGER_URL"
    LEDGER_ROLE = "LEDGER_ROLE"
    LEDGER_POOL_SIZE = "LEDGER_POOL_SIZE"

    def __init__(self, env: Environment | EnvType | None, pool: Pool | None = None) -> None:
        super().__init__(env)
        self._own_pool = self._open_pool() if pool is None else None
        self._pool = pool or self._own_pool

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        super().__exit__(exc_type, exc_val, exc_tb)
        self.close()

    def close(self) -> None:
        if self._own_pool is not None:
            self._own_pool.close()

    def aggregate_recorder(self, purpose: str = "events") -> LedgerRecorder:
        """Raises NotSupportedError for snapshots: the profile rows are what we have instead."""
        if purpose != "events":
            raise NotSupportedError(f"the ledger keeps no {purpose}")
        return self._make(LedgerRecorder)

    def application_recorder(self) -> LedgerRecorder:
        return self._make(self._chosen(self.APPLICATION_RECORDER_TOPIC, LedgerRecorder))

    def tracking_recorder(
        self, tracking_recorder_class: type[LedgerTrackingRecorder] | None = None
    ) -> LedgerTrackingRecorder:
        chosen = tracking_recorder_class or self._chosen(self.TRACKING_RECORDER_TOPIC, LedgerTrackingRecorder)
        return self._make(chosen)

    def process_recorder(self) -> LedgerProcessRecorder:
        return self._make(self._chosen(self.PROCESS_RECORDER_TOPIC, LedgerProcessRecorder))

    def _make(self, recorder_class: type[Recorder]) -> Recorder:
        assert self._pool is not None  # noqa: S101 - one of the two was given or opened
        return recorder_class(self._pool)

    def _chosen(self, variable: str, default: type[Recorder]) -> type[Recorder]:
        topic = self.env.get(variable)
        if not topic:
            return default
        chosen: Any = resolve_topic(topic)
        if not (isinstance(chosen, type) and issubclass(chosen, default)):
            raise InfrastructureFactoryError(f"{variable} names {chosen}, which is no {default.__name__}")
        return chosen

    def _open_pool(self) -> Pool:
        url = self.env.get(self.LEDGER_URL)
        size = self.env.get(self.LEDGER_POOL_SIZE) or str(_POOL_SIZE)
        if not url:
            raise InfrastructureFactoryError(f"{self.LEDGER_URL} is not set")
        if not size.isdecimal() or int(size) < 1:
            raise InfrastructureFactoryError(f"{self.LEDGER_POOL_SIZE} is no number of connections: {size!r}")
        role = self.env.get(self.LEDGER_ROLE, "dossier_app")
        return ConnectionPool(
            role_conninfo(url, role) if role else url,  # type: ignore[arg-type]
            connection_class=Connection[TupleRow],
            kwargs={"autocommit": True},
            min_size=1,
            max_size=int(size),
            open=True,
        )
