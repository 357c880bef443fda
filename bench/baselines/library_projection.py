"""The eventsourcing library making one read model, the list of events: through ProjectionRunner, as it documents.

One table of its own and no more: a row per event, added in the transaction that moves the projection's position. The
events are plain, in the library's own recorder, in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from bench.baselines.library_recorder import environment

_AT_ONCE: Final = 50
_PATIENCE_SECONDS: Final = 600.0


class Customers(Application[UUID]):
    """The application whose events are projected."""


@dataclass(frozen=True)
class CustomerChanged(DomainEvent):
    """Any event of a customer: who, what, and all that is told of it."""

    type: str
    actor: str
    told: dict[str, Any]


class EventList(PostgresTrackingRecorder):
    """The view: its table, and the one statement that fills it."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.sql_create_statements.append(
            SQL("""
                CREATE TABLE IF NOT EXISTS event_list (
                    customer_id uuid NOT NULL, version bigint NOT NULL, position bigint NOT NULL, type text NOT NULL,
                    actor text NOT NULL, recorded_at timestamptz NOT NULL, body jsonb NOT NULL,
                    PRIMARY KEY (customer_id, version)
                )
            """).format()
        )

    def add(self, event: CustomerChanged, tracking: Tracking) -> None:
        """Add an event's row and move on, in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO event_list VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    event.originator_id,
                    event.originator_version,
                    tracking.notification_id,
                    event.type,
                    event.actor,
                    event.timestamp,
                    Jsonb(event.told),
                ),
                prepare=True,
            )


class EventListProjection(Projection[EventList]):
    """Every event becomes a row."""

    name = "event_list"

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:  # noqa: ARG002 - as the library calls it
        raise TypeError(type(domain_event))

    @process_event.register
    def _(self, domain_event: CustomerChanged, tracking: Tracking) -> None:
        self.view.add(domain_event, tracking)


def store(conninfo: str, events: Iterable[CustomerChanged]) -> int:
    """Put events into the library's own recorder; how many."""
    with Customers(_environment(conninfo)) as application:
        stored = [application.mapper.to_stored_event(event) for event in events]
        for first in range(0, len(stored), _AT_ONCE):
            application.recorder.insert_events(stored[first : first + _AT_ONCE])
    return len(stored)


def project(conninfo: str, events: int) -> None:
    """Make the read model of so many events from nothing."""
    with ProjectionRunner(
        application_class=Customers,
        projection_class=EventListProjection,
        view_class=EventList,
        env=_environment(conninfo),
    ) as runner:
        runner.wait(events, timeout=_PATIENCE_SECONDS)


def _environment(conninfo: str) -> dict[str, str]:
    return environment(conninfo, pool_size=4)
